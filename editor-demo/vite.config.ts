import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = process.env.COWEAVE ?? 'http://127.0.0.1:1234'

/** `vite editor-demo` works on the demo itself, with a running server (COWEAVE) behind it. */
export default defineConfig({
  plugins: [react()],
  // A second copy of Yjs in the bundle would refuse the first one's documents.
  resolve: { dedupe: ['yjs', 'y-protocols', 'lib0', 'react', 'react-dom', '@tiptap/core', '@tiptap/pm'] },
  build: { target: ['chrome123', 'firefox121', 'safari17.5'], assetsInlineLimit: 0, chunkSizeWarningLimit: 1200 },
  server: { proxy: { '/api': server, '/collab': { target: server, ws: true } } },
})
