import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const server = process.env.TENURE_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '~': at('./src') } },
  // The server replaces the placeholder in index.html by a fresh nonce for each response.
  html: { cspNonce: '__CSP_NONCE__' },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
    // The console, and the API reference to try things in, which shares nothing with it.
    rolldownOptions: { input: { index: at('./index.html'), try: at('./docs/try.html') } },
  },
  server: {
    host: '127.0.0.1',
    // Cookie calls must come from the server's own origin.
    proxy: { '/api': { target: server, headers: { origin: server } } },
  },
  preview: { host: '127.0.0.1' },
});
