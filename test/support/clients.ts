import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { type TestServer, tokenFor } from './server.ts'

export interface Client {
  readonly ydoc: Y.Doc
  readonly provider: HocuspocusProvider
  readonly socket: HocuspocusProviderWebsocket
  readonly text: Y.Text
  /** Resolves once the first sync is done. */
  synced(): Promise<void>
  /** Resolves once the server has acknowledged every edit. */
  saved(): Promise<void>
  destroy(): void
}

export interface ClientOptions {
  readonly user?: string
  readonly token?: string | (() => string)
  readonly ydoc?: Y.Doc
  readonly socket?: HocuspocusProviderWebsocket
}

/** A stock Hocuspocus client with a document open. */
export function openClient(server: Pick<TestServer, 'socketUrl'>, name: string, options: ClientOptions = {}): Client {
  const ydoc = options.ydoc ?? new Y.Doc()
  const socket = options.socket ?? openSocket(server)
  const provider = new HocuspocusProvider({
    websocketProvider: socket,
    name,
    document: ydoc,
    token: options.token ?? tokenFor(options.user ?? 'ann'),
  })
  provider.attach()
  return {
    ydoc,
    provider,
    socket,
    text: ydoc.getText('text'),
    synced: () =>
      until(
        () => provider.synced,
        (check) => {
          provider.on('synced', check)
          return () => provider.off('synced', check)
        },
      ),
    saved: () =>
      until(
        () => provider.synced && provider.unsyncedChanges === 0,
        (check) => {
          provider.on('unsyncedChanges', check)
          provider.on('synced', check)
          return () => {
            provider.off('unsyncedChanges', check)
            provider.off('synced', check)
          }
        },
      ),
    destroy() {
      provider.destroy()
      if (options.socket === undefined) socket.destroy()
    },
  }
}

/** A socket that is closed while it connects is no failure of a test; the provider has stopped listening by then. */
class QuietWebSocket extends WebSocket {
  constructor(url: string) {
    super(url)
    this.on('error', () => {})
  }
}

/**
 * One socket for several documents. It reconnects quickly, so that tests with restarts don't wait. `Socket` takes the
 * place of a WebSocket.
 */
export function openSocket(
  server: Pick<TestServer, 'socketUrl'>,
  Socket: new (url: string) => unknown = QuietWebSocket,
): HocuspocusProviderWebsocket {
  return new HocuspocusProviderWebsocket({
    url: server.socketUrl,
    WebSocketPolyfill: Socket,
    delay: 50,
    minDelay: 50,
    maxDelay: 200,
  })
}

/** A stock y-websocket client with a document open. */
export function openYWebsocket(
  server: Pick<TestServer, 'port'>,
  name: string,
  user = 'bob',
  ydoc = new Y.Doc(),
): WebsocketProvider {
  return new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, name, ydoc, {
    params: { token: tokenFor(user) },
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    disableBc: true,
  })
}

/**
 * Resolves once `condition` holds, looked at after each call of what `subscribe` got. If `subscribe` returns a
 * function, that ends the subscription: a listener for each wait would slow down tests that wait often.
 */
export function until(condition: () => boolean, subscribe: (check: () => void) => unknown): Promise<void> {
  return new Promise((resolve) => {
    let done = false
    let unsubscribe: unknown
    const check = () => {
      if (done || !condition()) return
      done = true
      if (typeof unsubscribe === 'function') unsubscribe()
      resolve()
    }
    unsubscribe = subscribe(check)
    check()
  })
}

/** Resolves once `condition` holds, looked at after each update of `ydoc`. */
export function whenDocument(ydoc: Y.Doc, condition: () => boolean): Promise<void> {
  return until(condition, (check) => {
    ydoc.on('update', check)
    return () => ydoc.off('update', check)
  })
}
