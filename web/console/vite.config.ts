import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  // The packages as they are written, so that nothing need be built first.
  resolve: { conditions: ['@antiphon/source', 'module', 'browser', 'development|production'] },
  // Addresses beside the page: a proxy may serve it under a path.
  base: './',
  // Where the server serves it from, and the wheel takes it.
  build: { outDir: '../../src/antiphon/console', emptyOutDir: true, target: 'es2022' },
  // `npm run dev -w console` beside a running server.
  server: { proxy: { '/v1': { target: 'http://127.0.0.1:8080', ws: true } } },
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts*'], testTimeout: 60_000 },
});
