import { defineConfig } from 'vitest/config';

export default defineConfig({
  build: {
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: 'index' },
    rollupOptions: { external: ['react', 'react/jsx-runtime', '@antiphon/client'] },
    sourcemap: true,
    target: 'es2022',
  },
  // The client as it is written, so that nothing need be built first.
  resolve: { conditions: ['@antiphon/source', 'module', 'browser', 'development|production'] },
  test: { environment: 'happy-dom', include: ['test/**/*.test.tsx'], testTimeout: 60_000 },
});
