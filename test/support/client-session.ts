import type { Readable } from '../../client/api.ts'
import { type CollaborativeDocument, type ConnectOptions, connect, type Session } from '../../client/index.ts'
import { type TestServer, type TokenOptions, tokenFor } from './server.ts'

const open = new Set<Session>()

export interface SessionOptions extends Partial<ConnectOptions> {
  readonly as?: string
  readonly tokenOptions?: TokenOptions
}

/** A session of the client library, as `as` (ann). `closeSessions` ends those that are left. */
export function openSession(server: Pick<TestServer, 'url'>, options: SessionOptions = {}): Session {
  const { as = 'ann', tokenOptions, ...rest } = options
  const session = connect({ url: server.url, token: async () => tokenFor(as, tokenOptions), ...rest })
  open.add(session)
  return session
}

export function closeSessions(): void {
  for (const session of open) session.close()
  open.clear()
}

/** Resolves with the first value of `readable` that meets `condition`. */
export function whenState<T>(readable: Readable<T>, condition: (value: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const check = () => {
      const value = readable.get()
      if (!condition(value)) return
      stop()
      resolve(value)
    }
    const stop = readable.subscribe(check)
    check()
  })
}

export function textOf(document: Pick<CollaborativeDocument, 'ydoc'>): string {
  return document.ydoc.getText('text').toString()
}

export function write(document: Pick<CollaborativeDocument, 'ydoc'>, text: string): void {
  const target = document.ydoc.getText('text')
  target.insert(target.length, text)
}

/** Resolves once the document's text is `text`, also if its Y.Doc is another one by then. */
export function whenText(document: CollaborativeDocument, text: string): Promise<void> {
  return new Promise((resolve) => {
    let ydoc = document.ydoc
    const check = () => {
      if (textOf({ ydoc }) !== text) return
      stop()
      ydoc.off('update', check)
      resolve()
    }
    const stop = document.onReplaced((next) => {
      ydoc.off('update', check)
      ydoc = next
      ydoc.on('update', check)
      check()
    })
    ydoc.on('update', check)
    check()
  })
}
