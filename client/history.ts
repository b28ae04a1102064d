import * as Y from 'yjs'
import { parseDocumentName } from '../model/document-name.ts'
import type { Difference, EditingSession, NamedVersion } from '../model/history.ts'
import type { Session } from './api.ts'
import { problemIn } from './problem.ts'

/** A page of sessions, newest first. */
export interface SessionsPage {
  readonly sessions: readonly EditingSession[]
  /** What to give as `before` to go on; undefined where the history begins. */
  readonly next?: number
  /** Where that is, unless it is with the first edit: the last position that was forgotten, and its time. */
  readonly begins?: { readonly position: number; readonly at: number }
}

export interface TakenBack {
  /** The last position before: restoring it takes this back as well. */
  readonly before: number
  /** False where there was nothing to take back. */
  readonly changed: boolean
}

/**
 * What a document was like, who wrote it, and how to have it back. All of it asks the server, and knows what is committed
 * there.
 * @throws {CoweaveError} with the server's code, such as `history/no-such-position`, `history/forgotten`, `history/busy`, `access/no-grant`
 */
export interface DocumentHistory {
  /** Who edited from when to when; `pauseMs` is what ends a session, by default five minutes. */
  sessions(options?: {
    readonly before?: number
    readonly limit?: number
    readonly pauseMs?: number
  }): Promise<SessionsPage>
  /** The last position at a time. */
  positionAt(time: Date): Promise<number>
  /** A copy of the document as it was at a position, now by default; what is written in it goes nowhere. */
  at(position?: number): Promise<Y.Doc>
  /** What changed from one position to another, now by default; from `seen` for what is new to the session's user. */
  difference(from: number | 'seen', to?: number): Promise<Difference>
  /**
   * Who wrote each part of what there is at a position, now by default: all of it as `inserted`, but for what was there
   * before the history begins, which has no change.
   */
  blame(position?: number): Promise<Difference>
  /** Takes back all that was done since a position. What others write meanwhile stays. */
  restore(position: number): Promise<TakenBack>
  /** Takes back what one user did, since a time or above a position; what others did stays. */
  undo(user: string, since: Date | number): Promise<TakenBack>
  versions(): Promise<readonly NamedVersion[]>
  /** Names a position, by default the last one. */
  nameVersion(name: string, position?: number): Promise<NamedVersion>
  renameVersion(id: string, name: string): Promise<void>
  deleteVersion(id: string): Promise<void>
  /** Up to where the session's user has seen the document; 0 for never. */
  seen(): Promise<number>
  /** The session's user has seen the document up to a position, by default all of it. It never goes back. */
  markSeen(position?: number): Promise<number>
}

/** The history of a document, which need not be open. @throws {CoweaveError} `document/bad-name` */
export function documentHistory(session: Pick<Session, 'fetch'>, document: string): DocumentHistory {
  const base = `/api/documents/${encodeURIComponent(parseDocumentName(document))}/`

  async function ask(path: string, query: Readonly<Record<string, string | number | undefined>>): Promise<Response> {
    const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]))
    return await accepted(await session.fetch(`${base}${path}?${new URLSearchParams(given)}`))
  }

  async function send(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<Response> {
    const json = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
    // What was seen is told as a page closes, too.
    return await accepted(await session.fetch(base + path, { method, keepalive: path === 'seen', ...json }))
  }

  return {
    async sessions({ before, limit, pauseMs } = {}) {
      return await (await ask('history', { before, limit, pause: pauseMs })).json()
    },
    async positionAt(time) {
      const { position }: { position: number } = await (await ask('position', { at: time.getTime() })).json()
      return position
    },
    async at(position) {
      const update = await (await ask('state', { position })).arrayBuffer()
      const doc = new Y.Doc()
      Y.applyUpdate(doc, new Uint8Array(update))
      return doc
    },
    async difference(from, to) {
      return await (await ask('diff', { from, to })).json()
    },
    async blame(position) {
      return await (await ask('blame', { position })).json()
    },
    async restore(position) {
      return await (await send('POST', 'restore', { position })).json()
    },
    async undo(user, since) {
      const start = typeof since === 'number' ? { after: since } : { since: since.getTime() }
      return await (await send('POST', 'undo', { user, ...start })).json()
    },
    async versions() {
      const { versions }: { versions: NamedVersion[] } = await (await ask('versions', {})).json()
      return versions
    },
    async nameVersion(name, position) {
      return await (await send('POST', 'versions', { name, position })).json()
    },
    async renameVersion(id, name) {
      await send('PATCH', `versions/${encodeURIComponent(id)}`, { name })
    },
    async deleteVersion(id) {
      await send('DELETE', `versions/${encodeURIComponent(id)}`)
    },
    async seen() {
      const { position }: { position: number } = await (await ask('seen', {})).json()
      return position
    },
    async markSeen(position) {
      const answer: { position: number } = await (await send('POST', 'seen', { position })).json()
      return answer.position
    },
  }
}

async function accepted(response: Response): Promise<Response> {
  if (response.ok) return response
  // What isn't JSON comes from something between here and the server.
  throw problemIn(await response.json().catch(() => undefined), response.status)
}
