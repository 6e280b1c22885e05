/**
 * The API reference to try things in, at /docs/try: Swagger UI over the server's own /api/openapi.json. “Authorize” logs in by OAuth
 * 2's password form, or takes an API key; what it got lives in the page's memory and is gone with it.
 *
 * It is a page of its own, not one of the console: it shares no login with it, so that what is tried here is done as whoever was
 * named here.
 */
import 'swagger-ui-dist/swagger-ui.css';
import '../styles/motion.css';
import './reference.css';
import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';
import licences from 'swagger-ui-dist/swagger-ui-es-bundle.js.LICENSE.txt?url';

const TOKEN_ENDPOINT = '/api/v1/auth/token';

const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

const ofOthers = Object.assign(document.createElement('a'), { href: licences, textContent: 'Licences' });
document.querySelector('#elsewhere')?.append(ofOthers);
const domNode = document.querySelector<HTMLElement>('#reference');
if (domNode) {
  SwaggerUI({
    url: '/api/openapi.json',
    domNode,
    deepLinking: true,
    docExpansion: 'none',
    // The types are on the page to read; a thousand more elements make this one slow.
    defaultModelsExpandDepth: -1,
    filter: true,
    persistAuthorization: false,
    // Answers in one colour: those of its themes are not all strong enough.
    syntaxHighlight: false,
    validatorUrl: null,
    // The dialog's button to close it has no name otherwise.
    plugins: [
      ({ React }) => ({
        components: {
          CloseIcon: () => React.createElement('span', { role: 'img', 'aria-label': 'Close' }, '×'),
        },
      }),
    ],
    requestInterceptor: (request) => {
      // The form would send the name and secret of a client, which nobody has here, as credentials.
      if (new URL(request.url, location.origin).pathname === TOKEN_ENDPOINT)
        delete request.headers.Authorization;
      return request;
    },
  });
}
