import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const server = process.env.TENURE_URL ?? 'http://127.0.0.1:8080';

/** The in-memory development API (dev/mock.ts), only with `npm run mock`; never part of a build. */
async function mock(): Promise<Plugin[]> {
  if (process.env.TENURE_MOCK !== '1') return [];
  const { mockPlugin } = await import('./dev/plugin.ts');
  return [mockPlugin()];
}

export default defineConfig({
  plugins: [react(), mock()],
  resolve: { alias: { '~': fileURLToPath(new URL('./src', import.meta.url)) } },
  // The server replaces the placeholder in index.html by a fresh nonce for each response.
  html: { cspNonce: '__CSP_NONCE__' },
  build: { target: 'es2023', assetsInlineLimit: 0, chunkSizeWarningLimit: 1200 },
  server: {
    host: '127.0.0.1',
    proxy:
      process.env.TENURE_MOCK === '1'
        ? {}
        : // Cookie calls must come from the server's own origin.
          { '/api': { target: server, headers: { origin: server } } },
  },
  preview: { host: '127.0.0.1' },
});
