import { CloseCode } from '../../model/close-codes.ts'
import type { Kick } from '../../persistence/admin-store.ts'
import { goesWith } from '../../persistence/beside.ts'
import type { Principal } from '../access/grants.ts'
import { DOCUMENT_DELETED } from '../documents/deletions.ts'
import { DOCUMENT_RESET } from '../documents/retired-clients.ts'
import type { Channel } from './channel.ts'

const KICKED = 'access/kicked'
const KICKED_REASON = 'an admin has closed the connection'

/** A connection, some of whose documents end while it goes on where its client understands that. */
export interface EndingClient {
  readonly channels: Iterable<Channel>
  /** Those who are let into documents that are not open yet. */
  readonly admitted: Iterable<{ readonly document: string; readonly principal: Principal }>
  close(code: CloseCode, reason: string): void
  /** Closes one document to a client that goes on with its others. */
  revoke(channel: Channel, reason: string): void
}

/** Why documents end for everybody. */
interface Ending {
  readonly code: CloseCode
  readonly reason: string
  readonly what: string
}

/** A stock client comes back, and is told which one it can't have. */
export const DELETED: Ending = { code: CloseCode.Deleted, reason: DOCUMENT_DELETED, what: 'was deleted' }
/** A stock client comes back, and is told when it shows what it has. */
export const RESET: Ending = { code: CloseCode.Reset, reason: DOCUMENT_RESET, what: 'was reset' }

export function endDocuments(client: EndingClient, names: ReadonlySet<string>, { code, reason, what }: Ending): void {
  for (const channel of [...client.channels]) {
    if (!names.has(channel.document.name)) continue
    if (!channel.understandsRefusals) client.close(code, `${channel.document.name} ${what}`)
    // What it waits to be told may be of an update that came too late.
    else if (channel.document.isWaiting) client.close(CloseCode.TryAgainLater, `a document ${what}`)
    else client.revoke(channel, reason)
  }
}

export function endKicked(client: EndingClient, kick: Kick): void {
  for (const { document, principal } of client.admitted) {
    if (isKicked(kick, document, principal)) client.close(CloseCode.Forbidden, KICKED_REASON)
  }
  for (const channel of [...client.channels]) {
    if (!isKicked(kick, channel.document.name, channel.principal)) continue
    if (kick.document !== '' && channel.understandsRefusals) client.revoke(channel, KICKED)
    else client.close(CloseCode.Forbidden, KICKED_REASON)
  }
}

function isKicked({ user, document }: Kick, name: string, principal: Principal): boolean {
  return user === principal.user && (document === '' || goesWith(document, name))
}

/** The client's token grants nothing in this document any more. */
export function endGrant(client: EndingClient, channel: Channel): void {
  if (channel.understandsRefusals) client.revoke(channel, 'access/no-grant')
  else client.close(CloseCode.Forbidden, `${channel.document.name} is not open to this user any more`)
}
