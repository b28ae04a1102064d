import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { until, whenDocument } from '../support/clients.ts'
import { sendHttp } from '../support/frame-socket.ts'
import { databaseUrl, startServer, temporaryFolder, tokenFor } from '../support/server.ts'

/** Trusts any certificate: that of the test is signed by itself. */
class TrustingWebSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols, { rejectUnauthorized: false })
  }
}

function makeCertificate(folder: string): { TLS_CERT: string; TLS_KEY: string } {
  const files = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', [...request, '-subj', '/CN=localhost', '-keyout', files.TLS_KEY, '-out', files.TLS_CERT], {
    stdio: 'ignore',
  })
  return files
}

test('with a certificate the server speaks https and wss, and nothing else', async () => {
  const server = await startServer({ environment: makeCertificate(temporaryFolder()) })
  const status = await new Promise((resolve, reject) => {
    get(`https://127.0.0.1:${server.port}/health/ready`, { rejectUnauthorized: false, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })
  expect(status).toBe(200)
  await expect(
    sendHttp(server.port, 'GET /health/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'),
  ).rejects.toThrow('no HTTP answer')

  const socket = new HocuspocusProviderWebsocket({
    url: `wss://127.0.0.1:${server.port}/collab`,
    WebSocketPolyfill: TrustingWebSocket,
  })
  const ann = new HocuspocusProvider({
    websocketProvider: socket,
    name: 'tls',
    document: new Y.Doc(),
    token: tokenFor('ann'),
  })
  ann.attach()
  const bob = new WebsocketProvider(`wss://127.0.0.1:${server.port}/yjs`, 'tls', new Y.Doc(), {
    params: { token: tokenFor('bob') },
    WebSocketPolyfill: TrustingWebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  })
  ann.document.getText('text').insert(0, 'x'.repeat(2_000_000))
  await whenDocument(bob.doc, () => bob.doc.getText('text').length === 2_000_000)
  bob.doc.getText('text').insert(0, 'hello')
  await whenDocument(ann.document, () => ann.document.getText('text').toString().startsWith('hello'))
  await until(
    () => ann.unsyncedChanges === 0,
    (check) => ann.on('unsyncedChanges', check),
  )
  ann.destroy()
  socket.destroy()
  bob.destroy()
  expect(await server.stop()).toBe(0)
})

test('files that are no certificate are named', async () => {
  const folder = temporaryFolder()
  const files = { TLS_CERT: join(folder, 'cert.pem'), TLS_KEY: join(folder, 'key.pem') }
  const refused = () =>
    startServer({ environment: files }).then(
      () => 'it started',
      (error: Error) => error.message,
    )
  expect(await refused()).toMatch(/config\/invalid[\s\S]*TLS_CERT, TLS_KEY.*cert\.pem/)
  writeFileSync(files.TLS_CERT, 'no certificate')
  writeFileSync(files.TLS_KEY, 'no key')
  expect(await refused()).toMatch(/config\/invalid[\s\S]*TLS_CERT, TLS_KEY/)
})

test('a port that is taken is an error that ends the server', async () => {
  const server = await startServer()
  const refused = await startServer({ environment: { PORT: String(server.port) } }).then(
    () => 'it started',
    (error: Error) => error.message,
  )
  expect(refused).toMatch(/exited with 1[\s\S]*EADDRINUSE/)
  expect(await server.stop()).toBe(0)
})

test('so is whatever else fails once the log is open', async () => {
  const folder = temporaryFolder()
  writeFileSync(`${databaseUrl(folder).replace('sqlite:', '')}.uploads`, 'no folder')
  await expect(startServer({ folder })).rejects.toThrow(/exited with 1[\s\S]*ENOTDIR/)
})
