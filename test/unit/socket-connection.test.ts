import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { type Connection, Document, type Hocuspocus, type WebSocketLike } from '@hocuspocus/server'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { CloseCode } from '../../model/close-codes.ts'
import { Access } from '../../server/access/access.ts'
import type { Principal } from '../../server/access/grants.ts'
import { Tokens } from '../../server/access/tokens.ts'
import { readConfig } from '../../server/config.ts'
import { ConnectionCounts } from '../../server/connection/connection-counts.ts'
import { hocuspocusDialect } from '../../server/connection/dialect.ts'
import { EgressGroup } from '../../server/connection/egress.ts'
import { hocuspocusAddress, messageOf, permissionDeniedFrame } from '../../server/connection/frames.ts'
import { SocketConnection } from '../../server/connection/socket-connection.ts'
import { SocketTransport } from '../../server/connection/socket-transport.ts'
import { UserRates } from '../../server/connection/user-rates.ts'
import type { Documents } from '../../server/documents/documents.ts'
import type { Durability } from '../../server/documents/durability.ts'
import { OpenDocument } from '../../server/documents/open-document.ts'
import { awarenessStates, readMessage } from '../support/messages.ts'

/** What the connection does with its WebSocket. */
class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  isPaused = false
  pings = 0
  terminated = false
  closed: { code: number; reason: string } | undefined
  ping(): void {
    this.pings += 1
  }
  terminate(): void {
    this.terminated = true
  }
  close(code: number, reason: string): void {
    // As ws does.
    if (Buffer.byteLength(reason) > 123) throw new RangeError('The message must not be greater than 123 bytes')
    this.closed = { code, reason }
    this.readyState = 2
  }
  pause(): void {
    this.isPaused = true
  }
  resume(): void {
    this.isPaused = false
  }
}

const config = readConfig({ PING_INTERVAL: '30000', AUTHENTICATION_TIMEOUT: '10000' })
const logger = pino({ level: 'silent' })
const start = Date.now()

let ws: FakeWebSocket
let peer: Duplex
let sent: Buffer[] = []
let connection: SocketConnection
let document: Document
let tokenRequests = 0
/** Has Hocuspocus deny a document. */
let deny: (name: string) => void

beforeEach(() => {
  ws = new FakeWebSocket()
  sent = []
  peer = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      done()
    },
  })
  document = new Document('notes')
  tokenRequests = 0
  const durability = { appended: 0, committed: 0, waitingBytes: 0, onCommit: () => () => {} } as unknown as Durability
  const options = { durability, logger, maxPresenceBytes: 1024, maxBytes: 1024 * 1024, relayedClientIds: false }
  const open = new OpenDocument(
    document,
    { position: 0, at: 0, bytes: 0, owners: new Map(), epoch: 0, retired: new Set<number>() },
    undefined,
    undefined,
    options,
  )
  const handleConnection = (socket: WebSocketLike) => {
    deny = (name) => socket.send(messageOf(permissionDeniedFrame(hocuspocusAddress(name), 'document/deleted')))
    return { handleMessage() {}, handleClose() {} }
  }
  const hocuspocus = { handleConnection } as unknown as Hocuspocus
  const transport = new SocketTransport(ws as unknown as WebSocket, peer, config.MAX_UNAUTHENTICATED_BYTES)
  const client = { dialect: hocuspocusDialect, schema: undefined, onAuthenticated() {}, onClosed() {} }
  connection = new SocketConnection(transport, client, hocuspocus, {
    config,
    logger,
    access: new Access(new Tokens(config)),
    documents: { get: () => open } as unknown as Documents,
    durability,
    egresses: new EgressGroup(durability),
    users: new ConnectionCounts(0),
    rates: new UserRates({ messagesPerSecond: 0, bytesPerSecond: 0, onProblem() {} }),
    catchUp: async () => {},
    isRevoked: () => false,
  })
})

afterEach(() => document.destroy())

async function openFor(seconds: number): Promise<Connection> {
  const principal: Principal = {
    user: 'ann',
    name: 'Ann',
    grants: [],
    expires: start + seconds * 1000,
    admin: false,
    relay: false,
    agent: false,
  }
  const hocuspocusConnection = {
    document,
    messageAddress: document.name,
    readOnly: false,
    requestToken() {
      tokenRequests += 1
    },
  } as unknown as Connection
  connection.authenticated('ann')
  await connection.opened(hocuspocusConnection, { socket: connection, principal, level: 'write' })
  return hocuspocusConnection
}

/** The messages written since the last call. */
function written(): Uint8Array[] {
  connection.egress.flush()
  // Each chunk is a small frame: its header has two bytes.
  return sent.splice(0).map((frame) => new Uint8Array(frame.subarray(2)))
}

describe('a client that hears nothing', () => {
  test('gets a message also where it was denied all it wanted, or a stock provider would try again for ever', () => {
    connection.authenticated('ann')
    deny('notes')
    written()
    connection.tick(start + 25_000)
    const [message = new Uint8Array(), ...others] = written()
    expect(others).toEqual([])
    expect(readMessage(message).name).toBe('notes')
    expect(awarenessStates(message)).toEqual([])
  })

  test('gets a message within 30 s, or a stock provider without awareness would reconnect', async () => {
    await openFor(3600)
    written()
    connection.tick(start + 15_000)
    expect(written()).toEqual([])
    connection.tick(start + 25_000)
    const [message = new Uint8Array(), ...others] = written()
    expect(others).toEqual([])
    expect(readMessage(message).name).toBe('notes')
    expect(awarenessStates(message)).toEqual([])
  })
})

describe('a token that ends', () => {
  test('is asked for once, a minute before', async () => {
    await openFor(600)
    connection.tick(start + 539_000)
    expect(tokenRequests).toBe(0)
    connection.tick(start + 540_500)
    connection.tick(start + 541_500)
    expect(tokenRequests).toBe(1)
    expect(ws.closed).toBeUndefined()
  })

  test('closes with 4401 when no other has come', async () => {
    await openFor(600)
    peer.push('alive')
    connection.tick(start + 600_000)
    expect(ws.closed?.code).toBe(CloseCode.Unauthorized)
  })

  test('is asked for again after a new one has come', async () => {
    const hocuspocusConnection = await openFor(600)
    connection.tick(start + 541_000)
    const channel = connection.channelOf(hocuspocusConnection)
    if (channel === undefined) throw new Error('no channel')
    connection.renewed(channel, { ...channel.principal, expires: start + 1_200_000 }, 'write')
    connection.tick(start + 601_000)
    expect(ws.closed).toBeUndefined()
    connection.tick(start + 1_141_000)
    expect(tokenRequests).toBe(2)
  })
})

describe('a peer', () => {
  test('that answers nothing is cut off at the second ping', async () => {
    await openFor(3600)
    connection.tick(start + 31_000)
    expect({ pings: ws.pings, terminated: ws.terminated }).toEqual({ pings: 1, terminated: false })
    connection.tick(start + 62_000)
    expect(ws.terminated).toBe(true)
  })

  test('that is in the middle of a large message is alive', async () => {
    await openFor(3600)
    for (let ping = 1; ping < 10; ping += 1) {
      connection.tick(start + ping * 31_000)
      const heard = new Promise((resolve) => peer.once('data', resolve))
      peer.push('a part')
      await heard
    }
    expect({ pings: ws.pings, terminated: ws.terminated }).toEqual({ pings: 9, terminated: false })
  })

  test('that is not read is not blamed for its silence', async () => {
    await openFor(3600)
    connection.tick(start + 31_000)
    ws.isPaused = true
    connection.tick(start + 62_000)
    expect(ws.terminated).toBe(false)
  })

  test('that sends no token in time is closed with 4408', () => {
    connection.tick(start + 9_000)
    expect(ws.closed).toBeUndefined()
    connection.tick(start + 11_000)
    expect(ws.closed?.code).toBe(CloseCode.Timeout)
  })

  test('whose token is good may wait longer for a large document', () => {
    connection.authenticated('ann')
    connection.tick(start + 11_000)
    expect(ws.closed).toBeUndefined()
  })
})

test('a reason that is too long for a close frame is cut', () => {
  connection.close(CloseCode.Unauthorized, `${'ü'.repeat(100)}…`)
  expect(ws.closed?.code).toBe(CloseCode.Unauthorized)
  expect(ws.closed?.reason).toMatch(/^ü{50,}…$/)
})

test('whoever is closed disappears at once, not when they answer', async () => {
  await openFor(3600)
  const [open] = connection.channels
  expect(open?.document.subscribers.size).toBe(1)
  connection.close(CloseCode.TryAgainLater, 'later')
  expect(open?.document.subscribers.size).toBe(0)
})
