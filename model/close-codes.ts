/**
 * Why the server closes a socket. Only 4400–4499 mean "do not retry unchanged": y-websocket stops by itself
 * there, and so does our client library. All others say "come back".
 */
export const CloseCode = {
  /** The server is stopping; another one, or the same a little later, takes over. */
  GoingAway: 1001,
  /** One message over the size limit. */
  MessageTooBig: 1009,
  /** The server can't take this now: storage is away, or the client reads too slowly. */
  TryAgainLater: 1013,
  /** A frame that no correct client sends. */
  Malformed: 4400,
  /** No valid token, or it has expired. */
  Unauthorized: 4401,
  /** A grant or a room's rule forbids it. */
  Forbidden: 4403,
  /** No authentication, or no sign of life, in time. */
  Timeout: 4408,
  /** A Yjs client id that belongs to another user. */
  ClientIdTaken: 4409,
  /** The document was deleted. */
  Deleted: 4410,
  /** The document was reset: what this client has of it is not its content any more. */
  Reset: 4411,
  /** A document over its size limit. */
  TooBig: 4413,
  /** The client's schema is older than the document allows. */
  SchemaTooOld: 4426,
  /** Too many documents, connections or messages. */
  TooMany: 4429,
} as const

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** Whether a client that was closed with `code` may come back with the same token and the same edits. */
export function mayRetryUnchanged(code: number): boolean {
  return code < 4400 || code > 4499
}
