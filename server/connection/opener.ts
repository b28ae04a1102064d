import type { ConnectionConfiguration, Hocuspocus } from '@hocuspocus/server'
import type { Logger } from 'pino'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import type { Level, Principal } from '../access/grants.ts'
import type { Documents } from '../documents/documents.ts'
import type { OpenDocument } from '../documents/open-document.ts'
import type { Channel } from './channel.ts'
import { documentOfKey } from './dialect.ts'

/** What Hocuspocus hands to the hooks of loading, of which ours read nothing. */
const NO_REQUEST = new Request('http://localhost/')
const NO_SOCKET = ''
const CONNECTION: ConnectionConfiguration = { isAuthenticated: true, readOnly: false }
/** How long a client that joins waits until a document has what others have committed. */
const JOIN_MS = 1_000

export interface OpenerOptions {
  readonly hocuspocus: Pick<Hocuspocus, 'createDocument' | 'documents' | 'unloadDocument'>
  readonly access: Access
  readonly documents: Pick<Documents, 'get' | 'used'>
  readonly logger: Logger
  /** Resolves once a document has what other instances have committed until now. @throws {StorageError} */
  readonly catchUp: (document: OpenDocument) => Promise<void>
}

/** Whom a token lets into a document, and to do what. */
export interface Admitted {
  readonly principal: Principal
  readonly level: Level
}

/** Who wants a document opened. */
export interface Opening {
  readonly isClosed: boolean
  /** A token was good, whatever becomes of the document. @throws {AccessError} `connection/too-many` */
  authenticated(key: string, principal: Principal): void
  /** The document is loaded for a token that came at `since`, on the clock of `performance`. */
  loading(key: string, admitted: Admitted, since: number): void
  /** The document is in memory, and kept there until release() is called. */
  opened(key: string, document: OpenDocument, admitted: Admitted): void
  denied(key: string, reason: string): void
  close(code: CloseCode, reason: string): void
}

/**
 * Opens documents for connections: checks their token, has Hocuspocus load the document, and keep it for as long as it is
 * open. To Hocuspocus a connection is one more user of a document, as its direct connections are: what it has of its own
 * for a client (ClientConnection, Connection) takes as much time and memory as all the rest of connecting.
 */
export class Opener {
  readonly #options: OpenerOptions

  constructor(options: OpenerOptions) {
    this.#options = options
  }

  /** `since` is when the token came, on the clock of `performance`. */
  async open(client: Opening, key: string, token: string, since: number): Promise<void> {
    const name = documentOfKey(key)
    let admitted: Admitted
    let document: OpenDocument | undefined
    try {
      admitted = await this.#admit(token, name)
      client.authenticated(key, admitted.principal)
      if (client.isClosed) return
      // Where the product decides, it is asked again once the document is loaded.
      if (!this.#options.hocuspocus.documents.has(name) && !this.#options.access.isAsking) {
        client.loading(key, admitted, since)
      }
      document = await this.#hold(name)
    } catch (error) {
      client.denied(key, reasonOf(error))
      return
    }
    if (document === undefined) {
      client.close(CloseCode.TryAgainLater, 'the document is being unloaded')
      return
    }
    // A client that comes from another instance brings what it heard there, until it sent its token here.
    if (document.cursor.asOf < since && !client.isClosed) await this.#catchUp(document)
    if (!(await this.#isStillAdmitted(name, admitted))) client.close(CloseCode.TryAgainLater, 'access has changed')
    // Who had it open when it was forgotten was sent away, and who comes now would never hear of anything.
    if (document.ydoc.isDestroyed) client.close(CloseCode.TryAgainLater, 'the document is loaded anew')
    if (client.isClosed) this.release(document)
    else client.opened(key, document, admitted)
  }

  /** One connection less has the document open. */
  release({ ydoc }: OpenDocument): void {
    ydoc.removeDirectConnection()
    if (ydoc.getConnectionsCount() === 0) void this.#options.hocuspocus.unloadDocument(ydoc)
  }

  /** What a newer token allows in an open document; undefined for `level` when it grants nothing. @throws what verify() throws */
  async renew(token: string, { document }: Channel): Promise<{ principal: Principal; level: Level | undefined }> {
    const { access } = this.#options
    const principal = await access.verify(token)
    return { principal, level: await access.levelIn(document.name, principal) }
  }

  /** @throws {CoweaveError} */
  async #admit(token: string, name: string): Promise<Admitted> {
    const { access, logger } = this.#options
    try {
      const principal = await access.verify(token)
      const level = await access.levelIn(name, principal)
      if (level !== undefined) return { principal, level }
    } catch (error) {
      if (error instanceof CoweaveError) throw error
      logger.error({ document: name, error }, 'a token could not be checked')
      throw new CoweaveError('access/unavailable', 'a token could not be checked', { cause: error })
    }
    throw new AccessError('access/no-grant', CloseCode.Forbidden, `${name} is not open to this user`)
  }

  /** Undefined when it was unloaded or forgotten in the same moment. */
  async #hold(name: string): Promise<OpenDocument | undefined> {
    const { hocuspocus, documents } = this.#options
    const ydoc = await hocuspocus.createDocument(name, NO_REQUEST, NO_SOCKET, CONNECTION)
    const document = documents.get(ydoc)
    if (document === undefined) return undefined
    ydoc.addDirectConnection()
    documents.used(document)
    return document
  }

  /** Waits a little at most: with storage away, those who have a document open go on, and so may who joins them. */
  async #catchUp(document: OpenDocument): Promise<void> {
    const { catchUp, logger } = this.#options
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, JOIN_MS).unref()
    catchUp(document).then(resolve, (error: unknown) => {
      logger.warn({ document: document.name, error }, 'what others committed could not be read')
      resolve()
    })
    await promise
    clearTimeout(timer)
  }

  /** Whether what was decided before the document was loaded still is so. */
  async #isStillAdmitted(name: string, { principal, level }: Admitted): Promise<boolean> {
    const { access } = this.#options
    if (!access.isAsking) return true
    return (await access.levelIn(name, principal).catch(() => undefined)) === level
  }
}

/** The code of what was thrown: by us, or by Hocuspocus, which hands on what a hook of loading threw (documents.ts). */
function reasonOf(error: unknown): string {
  if (error instanceof CoweaveError) return error.code
  if (typeof error === 'object' && error !== null && 'reason' in error) return String(error.reason)
  return 'permission-denied'
}
