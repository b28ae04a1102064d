import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.COWEAVE ?? 'http://127.0.0.1:1234'

const page = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** `vite editor-demo` works on the demo itself, with a running server (COWEAVE) behind it. */
export default defineConfig({
  plugins: [react()],
  // A second copy of Yjs in the bundle would refuse the first one's documents.
  resolve: { dedupe: ['yjs', 'y-protocols', 'lib0', 'react', 'react-dom', '@tiptap/core', '@tiptap/pm'] },
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    assetsInlineLimit: 0,
    // Tells the service worker what to keep.
    manifest: 'assets/manifest.json',
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      input: { demo: page('index.html'), minimal: page('minimal/index.html'), admin: page('admin/index.html') },
    },
  },
  server: { proxy: { '/api': server, '/collab': { target: server, ws: true } } },
})
