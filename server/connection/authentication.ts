import type { connectedPayload, Extension, onAuthenticatePayload, onTokenSyncPayload } from '@hocuspocus/server'
import type { Logger } from 'pino'
import { CloseCode } from '../../model/close-codes.ts'
import { CoweaveError } from '../../model/errors.ts'
import type { Access } from '../access/access.ts'
import { AccessError } from '../access/access-error.ts'
import { allows, type Level, type Principal } from '../access/grants.ts'
import { levelToChange } from '../access/levels.ts'
import type { OpenRefusal } from '../documents/documents.ts'
import type { ConnectionContext } from './socket-connection.ts'

/**
 * Who may open a document: the hooks of Hocuspocus that check tokens. What they refuse, Hocuspocus tells the client
 * with the error's code as the reason.
 */
export class Authentication implements Extension<ConnectionContext> {
  readonly #access: Access
  readonly #logger: Logger

  constructor(access: Access, logger: Logger) {
    this.#access = access
    this.#logger = logger
  }

  async onAuthenticate(payload: onAuthenticatePayload<ConnectionContext>): Promise<Partial<ConnectionContext>> {
    const { documentName, token, connectionConfig, context } = payload
    try {
      const { principal, level } = await this.#admit(token, documentName)
      connectionConfig.readOnly = context.socket.isSchemaOld || !allows(level, levelToChange(documentName))
      context.socket.authenticated(principal.user)
      return { principal, level }
    } catch (error) {
      throw this.#refusal(error, documentName)
    }
  }

  async connected({ context, connection }: connectedPayload<ConnectionContext>): Promise<void> {
    await context.socket.opened(connection, context)
  }

  async onTokenSync({
    context,
    token,
    documentName,
    connection,
  }: onTokenSyncPayload<ConnectionContext>): Promise<void> {
    const { socket } = context
    const channel = socket.channelOf(connection)
    if (channel === undefined) return
    try {
      const principal = await this.#access.verify(token)
      socket.renewed(channel, principal, await this.#access.levelIn(documentName, principal))
    } catch (error) {
      if (error instanceof AccessError) {
        this.#logger.info({ document: documentName, error }, 'new token refused')
        socket.close(CloseCode.Unauthorized, error.message)
      } else {
        // The old one is good until it ends.
        this.#logger.error({ document: documentName, error }, 'a new token could not be checked')
      }
    }
  }

  async #admit(token: string, documentName: string): Promise<{ principal: Principal; level: Level }> {
    const principal = await this.#access.verify(token)
    const level = await this.#access.levelIn(documentName, principal)
    if (level === undefined) {
      throw new AccessError('access/no-grant', CloseCode.Forbidden, `${documentName} is not open to this user`)
    }
    return { principal, level }
  }

  #refusal(error: unknown, documentName: string): OpenRefusal {
    if (error instanceof CoweaveError) return { reason: error.code }
    this.#logger.error({ document: documentName, error }, 'a token could not be checked')
    return { reason: 'access/unavailable' }
  }
}
