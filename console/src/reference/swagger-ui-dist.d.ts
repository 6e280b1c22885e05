/** As much of it as the page uses; the package brings no types. */
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  interface Sent {
    url: string;
    headers: Record<string, string>;
  }
  interface System {
    React: { createElement: (type: string, properties: Record<string, string>, content: string) => unknown };
  }
  interface Settings {
    url: string;
    domNode: HTMLElement;
    deepLinking?: boolean;
    docExpansion?: 'list' | 'full' | 'none';
    defaultModelsExpandDepth?: number;
    filter?: boolean;
    persistAuthorization?: boolean;
    syntaxHighlight?: boolean;
    validatorUrl?: null;
    plugins?: ((system: System) => { components: Record<string, () => unknown> })[];
    requestInterceptor?: (request: Sent) => Sent;
  }
  export default function SwaggerUI(settings: Settings): void;
}
