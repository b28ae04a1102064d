/**
 * The tunnel for networks that block WebSockets: the same messages over HTTP. Down, `GET /api/sync` is a stream of
 * server-sent events; up, `POST /api/sync/<connection>` carries the next piece of one stream of bytes, in which each
 * message stands behind its length (four bytes, big-endian). docs/http-fallback.md tells why.
 */

/** The largest piece of the stream up in one request, bytes: many proxies refuse more than 1 MB. */
export const MAX_PIECE_BYTES = 256 * 1024

/** The request header with the number of a piece, from 0: the server takes each once, and in order. */
export const PIECE_HEADER = 'Coweave-Piece'

/** Bytes in front of each message on its way up. */
export const LENGTH_BYTES = 4

/** The types of the events down. Messages are those without a type: base64, one a `data:` line. */
export const TunnelEvent = {
  /** The first one: a JSON object with the `connection` that pieces go to. A secret. */
  Open: 'open',
  /** To be answered with a piece, which may be empty: otherwise the server takes the client for dead. */
  Ping: 'ping',
  /** The last one: a JSON object with the `code` and the `reason` of a WebSocket's close. */
  Close: 'close',
} as const
