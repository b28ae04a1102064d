import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SQLite } from '@hocuspocus/extension-sqlite'
import { Server } from '@hocuspocus/server'
import { onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { LeveldbPersistence } from 'y-leveldb'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { freePort } from '../../scripts/support/free-port.ts'
import { whenDocument } from './clients.ts'

const yWebsocketServer = fileURLToPath(new URL('../../node_modules/y-websocket-2/bin/server.cjs', import.meta.url))

/** A document that a fresh y-websocket server has in its folder, and that nobody has opened. */
const FENCE = 'fence'

/** Stock Hocuspocus with its SQLite extension. */
export async function startHocuspocus(file: string) {
  const server = new Server({
    port: 0,
    address: '127.0.0.1',
    quiet: true,
    stopOnSignals: false,
    extensions: [new SQLite({ database: file })],
  })
  await server.listen()
  return {
    socketUrl: `ws://127.0.0.1:${server.address.port}`,
    /** Stores what it holds and ends. */
    async stop() {
      await server.destroy()
    },
  }
}

/** The server of y-websocket 2, which keeps documents with y-leveldb. */
export async function startYWebsocketServer(folder: string) {
  const before = new LeveldbPersistence(folder)
  const fence = new Y.Doc()
  fence.getText('text').insert(0, 'here')
  await before.storeUpdate(FENCE, Y.encodeStateAsUpdate(fence))
  await before.destroy()
  const port = await freePort()
  const child = spawn(process.execPath, [yWebsocketServer], {
    env: { PATH: process.env.PATH ?? '', YPERSISTENCE: folder, HOST: '127.0.0.1', PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  onTestFinished(() => void child.kill('SIGKILL'))
  for await (const chunk of child.stdout) if (String(chunk).includes('running at')) break
  const open = (name: string, ydoc = new Y.Doc()) =>
    new WebsocketProvider(`ws://127.0.0.1:${port}`, name, ydoc, {
      WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
      disableBc: true,
    })
  return {
    open,
    /** Kills it once all that it has shown to anybody is in its folder. */
    async stop() {
      // It reads a document from its folder after all that it has to write before.
      const provider = open(FENCE)
      await whenDocument(provider.doc, () => provider.doc.getText('text').toString() === 'here')
      provider.destroy()
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Of every file in a folder, its name and content. */
export function digestOf(folder: string): string {
  const hash = createHash('sha256')
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    hash.update(`${file}\n`)
    if (entry.isFile()) hash.update(readFileSync(file))
  }
  return hash.digest('hex')
}
