import { defineConfig } from 'vitest/config';

export default defineConfig({
  build: {
    lib: { entry: 'src/index.ts', formats: ['es'], fileName: 'index' },
    rollupOptions: { external: /^node:/ },
    sourcemap: true,
    target: 'es2022',
  },
  test: { include: ['test/**/*.test.ts'], testTimeout: 60_000 },
});
