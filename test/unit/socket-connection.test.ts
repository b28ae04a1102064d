import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { Document, Hocuspocus } from '@hocuspocus/server'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { Access } from '../../server/access/access.ts'
import type { Principal } from '../../server/access/grants.ts'
import { Tokens } from '../../server/access/tokens.ts'
import { readConfig } from '../../server/config.ts'
import { ConnectionCounts } from '../../server/connection/connection-counts.ts'
import { hocuspocusDialect } from '../../server/connection/dialect.ts'
import { EgressGroup } from '../../server/connection/egress.ts'
import { AuthType, hocuspocusAddress, MessageType, SyncType } from '../../server/connection/frames.ts'
import { Opener } from '../../server/connection/opener.ts'
import { SocketConnection } from '../../server/connection/socket-connection.ts'
import { SocketTransport } from '../../server/connection/socket-transport.ts'
import { UserRates } from '../../server/connection/user-rates.ts'
import type { Durability } from '../../server/documents/durability.ts'
import { OpenDocument } from '../../server/documents/open-document.ts'
import { SharedFrames } from '../../server/documents/shared-frames.ts'
import type { StoredAnswer } from '../../server/documents/stored-answer.ts'
import { awarenessStates, deniedReason, readMessage, syncMessage, syncPayload } from '../support/messages.ts'

/** What the connection does with its WebSocket. */
class FakeWebSocket extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  isPaused = false
  terminated = false
  closed: { code: number; reason: string } | undefined
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

class FakeSocket extends Duplex {
  bytesRead = 0
}

const config = readConfig({ PING_INTERVAL: '30000', AUTHENTICATION_TIMEOUT: '10000' })
const logger = pino({ level: 'silent' })
const start = Date.now()

let ws: FakeWebSocket
let peer: FakeSocket
let sent: Buffer[] = []
let connection: SocketConnection
let document: Document
let open: OpenDocument
/** Whether an admin has revoked the tokens. */
let isRevoked: boolean
/** What can be sent of the document before it is open. */
let arriving: Promise<StoredAnswer | undefined> | undefined

beforeEach(() => {
  ws = new FakeWebSocket()
  sent = []
  peer = new FakeSocket({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      sent.push(chunk)
      done()
    },
  })
  document = new Document('notes')
  arriving = undefined
  isRevoked = false
  const durability = { appended: 0, committed: 0, waitingBytes: 0, onCommit: () => () => {} } as unknown as Durability
  const limits = { maxPresenceBytes: 1024, maxShown: 200, maxBytes: 1024 * 1024 }
  const options = { durability, logger, writingMs: () => 0, ...limits, relayedClientIds: false }
  open = new OpenDocument(
    document,
    { position: 0, at: 0, bytes: 0, owners: new Map(), epoch: 0, retired: new Set<number>() },
    undefined,
    undefined,
    options,
  )
  const transport = new SocketTransport(ws as unknown as WebSocket, peer, config.MAX_UNAUTHENTICATED_BYTES)
  const owner = { authenticated() {}, retimed() {}, closed() {} }
  const client = { owner, dialect: hocuspocusDialect, schema: undefined, address: '127.0.0.1' }
  const catchUp = async () => {}
  const access = new Access(new Tokens(config))
  const documents = { get: () => open, used() {}, arriving: () => arriving }
  connection = new SocketConnection(transport, client, {
    config,
    logger,
    documents,
    opener: new Opener({ hocuspocus: new Hocuspocus({ quiet: true }), access, documents, logger, catchUp }),
    durability,
    egresses: new EgressGroup(durability),
    users: new ConnectionCounts(0),
    rates: new UserRates({ messagesPerSecond: 0, bytesPerSecond: 0, onProblem() {} }),
    catchUp,
    isRevoked: () => isRevoked,
  })
})

afterEach(() => document.destroy())

function principalFor(seconds: number): Principal {
  const expires = start + seconds * 1000
  return { user: 'ann', name: 'Ann', grants: [], expires, admin: false, relay: false, agent: false }
}

function openFor(seconds: number): void {
  const principal = principalFor(seconds)
  connection.authenticated('notes', principal)
  connection.opened('notes', open, { principal, level: 'write' })
}

/** The small frames written since the last call: with their opcode, and what they hold. */
function frames(): { readonly opcode: number; readonly payload: Uint8Array }[] {
  connection.egress.flush()
  const bytes = Buffer.concat(sent.splice(0))
  const all = []
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + bytes.readUInt8(at + 1)
    all.push({ opcode: bytes.readUInt8(at) & 0x0f, payload: new Uint8Array(bytes.subarray(at + 2, end)) })
    at = end
  }
  return all
}

/** The messages written since the last call. */
function written(): Uint8Array[] {
  return frames().flatMap(({ opcode, payload }) => (opcode === 2 ? [payload] : []))
}

/** How often the client was asked for its token since the last call. */
function tokenRequests(): number {
  const requests = written().filter((message) => {
    const { type, decoder } = readMessage(message)
    return type === MessageType.Auth && decoder.arr[decoder.pos] === AuthType.Token
  })
  return requests.length
}

/** How often the client was pinged since the last call. */
function pings(): number {
  return frames().filter(({ opcode }) => opcode === 9).length
}

describe('a client that hears nothing', () => {
  test('gets a message also where it was denied all it wanted, or a stock provider would try again for ever', () => {
    connection.authenticated('notes', principalFor(3600))
    connection.denied('notes', 'document/deleted')
    written()
    connection.tick(start + 26_000)
    const [message = new Uint8Array(), ...others] = written()
    expect(others).toEqual([])
    expect(readMessage(message).name).toBe('notes')
    expect(awarenessStates(message)).toEqual([])
  })

  test('gets a message within 30 s, or a stock provider without awareness would reconnect', () => {
    openFor(3600)
    written()
    connection.tick(start + 20_000)
    expect(written()).toEqual([])
    connection.tick(start + 26_000)
    const [message = new Uint8Array(), ...others] = written()
    expect(others).toEqual([])
    expect(readMessage(message).name).toBe('notes')
    expect(awarenessStates(message)).toEqual([])
  })

  test('gets the message and the ping in one write', () => {
    openFor(3600)
    written()
    connection.tick(start + 26_000)
    expect(sent).toHaveLength(1)
    expect(frames().map(({ opcode }) => opcode)).toEqual([2, 9])
  })
})

describe('a token that ends', () => {
  test('is asked for once, a minute before', () => {
    openFor(600)
    peer.bytesRead = 1
    expect(connection.dueAt).toBeLessThanOrEqual(start + 540_000)
    connection.tick(start + 539_000)
    expect(tokenRequests()).toBe(0)
    connection.tick(start + 540_500)
    connection.tick(start + 541_500)
    expect(tokenRequests()).toBe(1)
    expect(ws.closed).toBeUndefined()
  })

  test('closes with 4401 when no other has come', () => {
    openFor(600)
    peer.bytesRead = 1
    connection.tick(start + 600_000)
    expect(ws.closed?.code).toBe(CloseCode.Unauthorized)
  })

  test('is asked for again after a new one has come', () => {
    openFor(600)
    connection.tick(start + 541_000)
    const [channel] = connection.channels
    channel?.renew(principalFor(1_200), 'write')
    peer.bytesRead = 1
    connection.tick(start + 601_000)
    expect(ws.closed).toBeUndefined()
    peer.bytesRead = 2
    connection.tick(start + 1_141_000)
    expect(tokenRequests()).toBe(2)
  })
})

describe('a peer', () => {
  test('that answers nothing is cut off at the second ping', () => {
    openFor(3600)
    connection.tick(start + 31_000)
    expect({ pings: pings(), terminated: ws.terminated }).toEqual({ pings: 1, terminated: false })
    connection.tick(start + 62_000)
    expect(ws.terminated).toBe(true)
  })

  test('that is in the middle of a large message is alive', () => {
    openFor(3600)
    for (let ping = 1; ping < 10; ping += 1) {
      connection.tick(start + ping * 31_000)
      peer.bytesRead += 1
    }
    expect({ pings: pings(), terminated: ws.terminated }).toEqual({ pings: 9, terminated: false })
  })

  test('that is not read is not blamed for its silence', () => {
    openFor(3600)
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
    connection.authenticated('notes', principalFor(3600))
    connection.tick(start + 11_000)
    expect(ws.closed).toBeUndefined()
  })
})

test('a reason that is too long for a close frame is cut', () => {
  connection.close(CloseCode.Unauthorized, `${'ü'.repeat(100)}…`)
  expect(ws.closed?.code).toBe(CloseCode.Unauthorized)
  expect(ws.closed?.reason).toMatch(/^ü{50,}…$/)
})

test('whoever is closed disappears at once, not when they answer', () => {
  openFor(3600)
  expect(open.subscribers.size).toBe(1)
  connection.close(CloseCode.TryAgainLater, 'later')
  expect(open.subscribers.size).toBe(0)
})

describe('whose document is still being opened', () => {
  beforeEach(() => {
    ws.emit('message', Buffer.from(syncMessage('notes', SyncType.Step1, Uint8Array.of(0))), true)
    connection.authenticated('notes', principalFor(60))
  })

  test.each([
    ['of all documents', ''],
    ['of this one', 'notes'],
  ])('is closed when they are kicked out %s', (_, name) => {
    connection.kicked({ user: 'ann', document: name, at: Date.now() })
    expect(ws.closed?.code).toBe(CloseCode.Forbidden)
  })

  test('stays when others are, or of another document', () => {
    connection.kicked({ user: 'ben', document: '', at: Date.now() })
    connection.kicked({ user: 'ann', document: 'other', at: Date.now() })
    connection.revoked()
    expect(ws.closed).toBeUndefined()
  })

  test('is closed when their token is revoked', () => {
    isRevoked = true
    connection.revoked()
    expect(ws.closed?.code).toBe(CloseCode.Unauthorized)
  })
})

describe('a client that has nothing', () => {
  const content = new Y.Doc()
  content.getText('t').insert(0, 'stored')
  const address = hocuspocusAddress('notes')

  function storedAt(at: number, epoch = 0): StoredAnswer {
    const snapshot = Promise.resolve(SharedFrames.of(address, Y.encodeStateAsUpdate(content)))
    return { position: 0, epoch, at, address, snapshot, tail: Promise.resolve([]) }
  }

  async function ask(stored: StoredAnswer): Promise<Uint8Array[]> {
    arriving = Promise.resolve(stored)
    ws.emit('message', Buffer.from(syncMessage('notes', SyncType.Step1, Uint8Array.of(0))), true)
    connection.authenticated('notes', principalFor(3600))
    connection.loading('notes', { principal: principalFor(60), level: 'write' }, performance.now())
    const messages: Uint8Array[] = []
    const received = () => {
      messages.push(...written())
      return updatesIn(messages)
    }
    await expect.poll(received).toHaveLength(1)
    return messages
  }

  const updatesIn = (messages: readonly Uint8Array[]) =>
    messages.flatMap((message) => syncPayload(message, SyncType.Update) ?? [])
  const endsIn = (messages: readonly Uint8Array[]) =>
    messages.flatMap((message) => syncPayload(message, SyncType.Step2) ?? [])

  test('is given what is stored before the document is open, and is told that it is all', async () => {
    const messages = await ask(storedAt(performance.now() + 1_000))
    const [update = new Uint8Array(), ...others] = updatesIn(messages)
    expect(others).toEqual([])
    const replica = new Y.Doc()
    Y.applyUpdate(replica, update)
    expect(replica.getText('t').toString()).toBe('stored')
    expect(endsIn(messages)).toHaveLength(1)
    openFor(60)
    const later = written()
    expect(later.some((message) => syncPayload(message, SyncType.Step1))).toBe(true)
  })

  test('[promise 4] is not told that it is all, if others may have committed since the log was read', async () => {
    const messages = await ask(storedAt(0))
    expect(updatesIn(messages)).toHaveLength(1)
    expect(endsIn(messages)).toEqual([])
    openFor(60)
    expect(endsIn(written())).toHaveLength(1)
  })

  test('is given nothing more once it was denied the document', async () => {
    let read = (_: readonly SharedFrames[]): void => {}
    const tail = new Promise<readonly SharedFrames[]>((resolve) => {
      read = resolve
    })
    await ask({ ...storedAt(performance.now() + 1_000), tail })
    connection.denied('notes', 'document/too-large')
    read([SharedFrames.of(address, Y.encodeStateAsUpdate(content))])
    await setImmediate()
    const messages = written()
    expect(messages.map(deniedReason)).toEqual(['document/too-large'])
  })

  test('is refused only once the document is open, if what it asks can’t be decoded', async () => {
    const cut = syncMessage('notes', SyncType.Step1, Uint8Array.of(0, 0, 0)).subarray(0, -2)
    arriving = Promise.resolve(storedAt(0))
    ws.emit('message', Buffer.from(cut), true)
    connection.loading('notes', { principal: principalFor(60), level: 'write' }, performance.now())
    await setImmediate()
    expect(ws.closed).toBeUndefined()
    openFor(60)
    expect(ws.closed?.code).toBe(CloseCode.Malformed)
  })

  test('is turned away if the document was reset meanwhile: what it has is of before', async () => {
    await ask(storedAt(performance.now() + 1_000, 7))
    openFor(60)
    expect(written().map(deniedReason)).toContain('document/reset')
  })
})
