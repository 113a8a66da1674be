import { defineConfig } from 'vite';

/** Fixed names and no hashes: the agent embeds the files, and answers with tags of their contents. */
export default defineConfig({
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    modulePreload: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      output: {
        entryFileNames: 'page.js',
        assetFileNames: ({ names }) => (names.some((n) => n.endsWith('.css')) ? 'page.css' : '[name][extname]'),
        codeSplitting: false,
      },
    },
  },
});
