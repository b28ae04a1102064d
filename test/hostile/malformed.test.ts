import * as encoding from 'lib0/encoding'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { CloseCode } from '../../model/close-codes.ts'
import { AuthType, MessageType, SyncType } from '../../server/connection/frames.ts'
import { FrameSocket, frame } from '../support/frame-socket.ts'
import {
  authMessage,
  awarenessMessage,
  awarenessUpdate,
  encoded,
  numbers,
  openFrameSocket,
  openYFrameSocket,
  statelessMessage,
  syncMessage,
  syncPayload,
  updateMessage,
  updateOf,
} from '../support/messages.ts'
import { createRandom, type Random, seedsFor } from '../support/random.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'
import { type Attack, type Outcome, runAttacks } from './attack.ts'
import { Witnesses } from './witnesses.ts'

// Eleven letters: a first byte of 9 or 10 alone would be a ping or pong.
const HOSTILE = 'hostile/doc'
const [seed = 0] = seedsFor([20_251], 0)
const { Malformed, TooBig, Timeout, TooMany, MessageTooBig } = CloseCode
/** RFC 6455, section 7.4.1: what ws closes with when the frames themselves are wrong. */
const PROTOCOL_ERROR = 1002
const INVALID_TEXT = 1007
const TOO_MANY_FRAGMENTS = 1008

let server: TestServer
let witnesses: Witnesses
let total = 0

beforeAll(async () => {
  console.log(`malformed frames: rerun with SEED=${seed}`)
  server = await startServer({ environment: { AUTHENTICATION_TIMEOUT: '2000' } })
  witnesses = await Witnesses.open(server)
})

afterAll(async () => {
  witnesses.close()
  expect(await server.stop()).toBe(0)
})

/** In the Hocuspocus dialect, on the witnesses' own document unless `name` says otherwise. */
async function attack(attacks: readonly Attack[], name: () => string = () => witnesses.name): Promise<void> {
  total += attacks.length
  await runAttacks(attacks, () => openFrameSocket(server, name()), probe(name()))
  await witnesses.check()
}

/** In y-websocket's dialect. */
async function attackY(attacks: readonly Attack[]): Promise<void> {
  total += attacks.length
  await runAttacks(attacks, () => openYFrameSocket(server, witnesses.name), probe(null))
  await witnesses.check()
}

/** Without a token. */
async function attackUnauthenticated(attacks: readonly Attack[]): Promise<void> {
  total += attacks.length
  await runAttacks(attacks, () => FrameSocket.open(server), probe(HOSTILE))
  await witnesses.check()
}

function probe(name: string | null) {
  return (socket: FrameSocket) => {
    const before = socket.messages.length
    // By chance it may have closed the document: then this opens it again.
    if (name !== null) socket.send(authMessage(name, tokenFor('mallory')))
    socket.send(syncMessage(name, SyncType.Step1, Uint8Array.of(0)))
    return socket.message(
      (message) =>
        socket.messages.indexOf(message) >= before && syncPayload(message, SyncType.Step2, name !== null) !== undefined,
    )
  }
}

function sends(title: string, message: Uint8Array, expected: Outcome): Attack {
  return { title, run: (socket) => socket.send(message), expected }
}

function truncations(title: string, message: Uint8Array): Attack[] {
  return Array.from({ length: message.length }, (_, length) =>
    sends(`${title} cut off at ${length} of ${message.length}`, message.subarray(0, length), Malformed),
  )
}

function truncatedPayloads(title: string, payload: Uint8Array, message: (payload: Uint8Array) => Uint8Array): Attack[] {
  return Array.from({ length: payload.length }, (_, length) =>
    sends(`${title} whose payload ends at ${length}`, message(payload.subarray(0, length)), Malformed),
  )
}

function someUpdate(): Uint8Array {
  return updateOf(77, (ydoc) => {
    ydoc.getText('text').insert(0, 'hello')
    ydoc.getMap('map').set('key', ['value', 1, null])
    ydoc.getText('text').delete(1, 2)
  })
}

const someStates = awarenessUpdate([{ client: 77, clock: 1, state: JSON.stringify({ user: { color: 'red' } }) }])

function validMessages(name: string | null): Record<string, Uint8Array> {
  return {
    'sync step 1': syncMessage(name, SyncType.Step1, Y.encodeStateVectorFromUpdate(someUpdate())),
    'sync step 2': syncMessage(name, SyncType.Step2, someUpdate()),
    update: updateMessage(name, someUpdate()),
    awareness: awarenessMessage(name, someStates),
  }
}

function randomBytes(random: Random, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.int(256))
}

const varint = (value: number) => encoding.encode((encoder) => encoding.writeVarUint(encoder, value))
const bytes = (...parts: readonly (Uint8Array | readonly number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))))
/** Ten bytes that all say "more follows". */
const endlessVarint = Uint8Array.from({ length: 10 }, () => 0xff)
const huge = { '2^31': varint(2 ** 31), '2^32': varint(2 ** 32), '2^53-1': varint(2 ** 53 - 1), endless: endlessVarint }

describe('frames of the Hocuspocus dialect on an open document', () => {
  test('messages cut off at every length', async () => {
    const messages = {
      ...validMessages(witnesses.name),
      token: authMessage(witnesses.name, 'a.token'),
      stateless: statelessMessage(witnesses.name, 'text'),
      'sync reply': syncMessage(witnesses.name, SyncType.Step1, Uint8Array.of(0), MessageType.SyncReply),
      'awareness query': numbers(witnesses.name, MessageType.QueryAwareness),
      close: numbers(witnesses.name, MessageType.Close),
    }
    // What is in front of the payload is the same for all: once is enough.
    const skipped = witnesses.name.length + 2
    for (const [title, message] of Object.entries(messages)) {
      const all = truncations(title, message)
      await attack(title === 'close' ? all : all.slice(skipped))
    }
  })

  test('payloads cut off at every length', async () => {
    const name = witnesses.name
    await attack([
      ...truncatedPayloads('a state vector', Y.encodeStateVectorFromUpdate(someUpdate()), (payload) =>
        syncMessage(name, SyncType.Step1, payload),
      ),
      ...truncatedPayloads('awareness', someStates, (payload) => awarenessMessage(name, payload)),
    ])
    // Yjs takes the structs before it comes to the deletions: not a thing to do to the witnesses' document.
    for (const type of [SyncType.Step2, SyncType.Update]) {
      const cut = truncatedPayloads(`sync type ${type}`, someUpdate(), (payload) => syncMessage(HOSTILE, type, payload))
      await attack(cut, () => HOSTILE)
    }
  })

  test('numbers far too big where a length or a count is expected', async () => {
    const name = witnesses.name
    const address = encoded(name, () => {})
    const text = (value: string) => encoding.encode((encoder) => encoding.writeVarString(encoder, value))
    // Info 4 is a string, 8 is any; bit 6 to 8 clear: the parent follows, here the name of a root type.
    const item = (info: number, content: Uint8Array) =>
      bytes([1], [1], varint(77), [0], [info], [1], text('t'), content)
    const places: Record<string, (size: Uint8Array) => Uint8Array> = {
      'length of the name': (size) => bytes(size, [65, 65]),
      'message type': (size) => bytes(address, size, [0]),
      'sync type': (size) => bytes(address, [0], size, [1, 0]),
      'length of a payload': (size) => bytes(address, [0, 2], size, [0, 0]),
      'length of a token': (size) => bytes(address, [2, 0], size, [65]),
      'kind of authentication': (size) => bytes(address, [2], size, [0]),
      'length of a stateless payload': (size) => bytes(address, [5], size, [65]),
      'clients in a state vector': (size) => syncMessage(name, SyncType.Step1, bytes(size, [1, 1])),
      'clients in an update': (size) => updateMessage(name, bytes(size, [1, 77, 0])),
      'structs of the only client': (size) => updateMessage(name, bytes([1], size, varint(77), [0])),
      'structs of one of two clients': (size) =>
        updateMessage(name, bytes([2], [1], varint(78), [0], [0], [1], size, varint(77), [0])),
      'structs of a client in an answer': (size) =>
        syncMessage(name, SyncType.Step2, bytes([1], size, varint(77), [0])),
      'length of a string': (size) => updateMessage(name, item(4, bytes(size, [65]))),
      'length of binary content': (size) => updateMessage(name, item(3, bytes(size, [65]))),
      'length of JSON content': (size) => updateMessage(name, item(2, bytes(size, text('1')))),
      'items of any content': (size) => updateMessage(name, item(8, bytes(size, [126]))),
      'items of an array in any content': (size) => updateMessage(name, item(8, bytes([1], [117], size, [126]))),
      'keys of an object in any content': (size) => updateMessage(name, item(8, bytes([1], [118], size, text('k')))),
      'bytes in any content': (size) => updateMessage(name, item(8, bytes([1], [116], size, [1]))),
      'kind of a type': (size) => updateMessage(name, item(7, size)),
      'clients in a delete set': (size) => updateMessage(name, bytes([0], size, varint(77), [1])),
      'ranges in a delete set': (size) => updateMessage(name, bytes([0], [1], varint(77), size)),
      'states in awareness': (size) => awarenessMessage(name, bytes(size, varint(77), [1], text('{}'))),
      'length of a state': (size) => awarenessMessage(name, bytes([1], varint(77), [1], size, [123, 125])),
    }
    const attacks = Object.entries(places).flatMap(([place, message]) =>
      Object.entries(huge).map(([title, size]) => sends(`${place}: ${title}`, message(size), Malformed)),
    )
    await attack(attacks)
  })

  test('structs with content that no version of Yjs knows', async () => {
    const item = (info: number) => bytes([1], [1], varint(77), [0], [info], [1], [1, 116], [1, 65], [0])
    const unknown = Array.from({ length: 21 }, (_, index) => 11 + index)
    const types = [7, 8, 63, 127]
    await attack([
      ...unknown.map((ref) => sends(`content ${ref}`, updateMessage(witnesses.name, item(ref)), Malformed)),
      ...unknown.map((ref) =>
        sends(`content ${ref} in an answer`, syncMessage(witnesses.name, SyncType.Step2, item(ref)), Malformed),
      ),
      ...types.map((type) =>
        sends(
          `shared type ${type}`,
          updateMessage(witnesses.name, bytes([1], [1], varint(77), [0], [7], [1], [1, 116], [type], [0])),
          Malformed,
        ),
      ),
    ])
  })

  test('message types and sync types that clients must not send', async () => {
    const name = witnesses.name
    const types = [6, 8, 9, 10, 11, 12, 42, 127, 128, 2 ** 16, 2 ** 31, 2 ** 40]
    await attack([
      ...types.map((type) => sends(`message type ${type}`, statelessMessage(name, 'payload', type), Malformed)),
      ...[3, 4, 127, 2 ** 31].map((type) =>
        sends(`sync type ${type}`, syncMessage(name, type, someUpdate()), Malformed),
      ),
      ...[AuthType.PermissionDenied, 2, 3, 99].map((type) =>
        sends(`authentication of kind ${type}`, authMessage(name, 'read-write', type), Malformed),
      ),
      sends('garbage behind a new token', bytes(authMessage(name, tokenFor('mallory')), [200, 1, 2]), 'ignored'),
      sends('a ping without an address', Uint8Array.of(9), 'ignored'),
      sends('a pong without an address', Uint8Array.of(10), 'ignored'),
      sends('stateless', statelessMessage(name, '{"__proto__":{"polluted":1}}'), 'ignored'),
      sends('a close for another document', numbers('hostile/other', MessageType.Close), 'ignored'),
      sends('an empty message', new Uint8Array(0), Malformed),
    ])
  })

  test('awareness that is no presence', async () => {
    const name = witnesses.name
    const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
    // Each its own client id: states for one that somebody else shows are left out, whatever they are.
    let client = 1_000
    const state = (title: string, json: string, expected: Outcome) => {
      client += 1
      return sends(title, awarenessMessage(name, awarenessUpdate([{ client, clock: 1, state: json }])), expected)
    }
    const wide = Array.from({ length: 10_001 }, (_, client) => ({ client, clock: 1, state: 'null' }))
    await attack([
      ...['', '{', '[', '"', 'undefined', 'NaN', '{"a":1,}', "{'a':1}", '\u0000', '{}{}', '<xml/>', 'nul'].map((json) =>
        state(`no JSON: ${JSON.stringify(json)}`, json, Malformed),
      ),
      ...['1', '"text"', 'true', '[]', '[{}]', '-0.5'].map((json) => state(`no object: ${json}`, json, Malformed)),
      state('1 MB of state', JSON.stringify({ text: 'x'.repeat(1024 * 1024) }), TooBig),
      state('33 levels', deep(33), TooBig),
      state('2,000 levels', deep(2_000), TooBig),
      state('200,000 levels', deep(200_000), TooBig),
      state('2,000 arrays', `{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`, TooBig),
      state(
        'a polluting key',
        '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}}}',
        'ignored',
      ),
      state('a hidden polluting key', '{"\\u005f_proto__":{"polluted":"yes"}}', 'ignored'),
      state('a polluting user', '{"user":{"__proto__":{"id":"ann"},"id":"ann","name":"ann"}}', 'ignored'),
      state('a user that is no object', '{"user":"ann"}', 'ignored'),
      state('no state', 'null', 'ignored'),
      sends('10,001 states', awarenessMessage(name, awarenessUpdate(wide)), Malformed),
      sends('10,000 removals', awarenessMessage(name, awarenessUpdate(wide.slice(1))), 'ignored'),
      sends('fewer states than announced', awarenessMessage(name, awarenessUpdate([], 3)), Malformed),
      sends('no update', awarenessMessage(name, new Uint8Array(0)), Malformed),
      ...[2 ** 53 - 1, 2 ** 53 - 2, 2 ** 48].map((clock) =>
        sends(
          `clock ${clock}`,
          awarenessMessage(name, awarenessUpdate([{ client: 77, clock, state: '{}' }])),
          Malformed,
        ),
      ),
      sends(
        'invalid UTF-8',
        awarenessMessage(name, bytes([1], varint(77), [1], [4, 0x22, 0xff, 0xfe, 0x22])),
        Malformed,
      ),
      sends(
        'the presence of the witnesses',
        awarenessMessage(
          name,
          awarenessUpdate(
            Object.values(witnesses.clientIds).map((client) => ({
              client,
              clock: 2 ** 20,
              state: '{"user":{"name":"x"}}',
            })),
          ),
        ),
        'ignored',
      ),
      sends(
        'the absence of the witnesses',
        awarenessMessage(
          name,
          awarenessUpdate(
            Object.values(witnesses.clientIds).map((client) => ({ client, clock: 2 ** 20, state: 'null' })),
          ),
        ),
        'ignored',
      ),
    ])
  })

  test('random bytes behind the name, and in the place of each payload', async () => {
    const random = createRandom(seed)
    const name = witnesses.name
    const address = encoded(name, () => {})
    const attacks = Array.from({ length: 60 }, (_, index) =>
      sends(`bytes ${index}`, bytes(address, randomBytes(random, 1 + random.int(40))), 'refused or served'),
    )
    for (let index = 0; index < 40; index += 1) {
      // More bytes than three varints can be, and the first one large: as good as surely garbage.
      const garbage = () => bytes([255 - random.int(64)], randomBytes(random, 20 + random.int(200)))
      attacks.push(
        sends(`state vector ${index}`, syncMessage(name, SyncType.Step1, garbage()), 'refused or served'),
        sends(`update ${index}`, updateMessage(name, garbage()), 'refused or served'),
        sends(`answer ${index}`, syncMessage(name, SyncType.Step2, garbage()), 'refused or served'),
        sends(`awareness ${index}`, awarenessMessage(name, garbage()), 'refused or served'),
      )
    }
    await attack(attacks)
  })

  test('random bytes instead of a message', async () => {
    const random = createRandom(seed + 1)
    const attacks = Array.from({ length: 100 }, (_, index) =>
      sends(`bytes ${index}`, randomBytes(random, 1 + random.int(300)), 'refused or served'),
    )
    await attack(attacks)
  })

  test('one byte changed in valid messages: whoever opens the document afterwards is served', async () => {
    const random = createRandom(seed + 2)
    for (let index = 0; index < 150; index += 1) {
      const name = `hostile/change-${index}`
      const [title, message] = random.pick(Object.entries(validMessages(name)))
      const changed = message.slice()
      const at = name.length + 1 + random.int(message.length - name.length - 1)
      changed[at] = random.int(256)
      total += 1
      const open = () => openFrameSocket(server, name)
      await runAttacks([sends(`${title} changed at ${at}`, changed, 'refused or served')], open, probe(name))
      const after = await open()
      // It still takes edits, too.
      after.send(
        updateMessage(
          name,
          updateOf(1_000_000 + index, (ydoc) => ydoc.getText('text').insert(0, 'after')),
        ),
      )
      await probe(name)(after)
      after.destroy()
    }
    await witnesses.check()
  })
})

describe('document names', () => {
  const names: Record<string, string> = {
    empty: '',
    space: ' ',
    'only slashes': '//',
    'leading slash': '/a',
    'trailing slash': 'a/',
    'empty segment': 'a//b',
    'blank segment': 'a/ /b',
    dot: '.',
    dots: '..',
    'dots inside': 'a/../b',
    newline: 'a\nb',
    delete: 'a\u007fb',
    'control character': 'a\u0085b',
    'escape sequence': '\u001b[31mred',
    '300 bytes': 'x'.repeat(300),
    '256 bytes in 128 letters': 'ü'.repeat(128),
    __proto__: '__proto__',
    constructor: 'constructor',
    toString: 'toString',
    hasOwnProperty: 'hasOwnProperty',
    valueOf: 'valueOf',
    __defineGetter__: '__defineGetter__',
  }

  test('bad ones are denied where a token comes, and malformed everywhere else', async () => {
    await attackUnauthenticated(
      Object.entries(names).flatMap(([title, name]) => [
        sends(`token for ${title}`, authMessage(name, tokenFor('mallory')), 'denied document/bad-name'),
        sends(`sync for ${title}`, syncMessage(name, SyncType.Step1, Uint8Array.of(0)), Malformed),
        sends(`awareness for ${title}`, awarenessMessage(name, someStates), Malformed),
        // As a session of that document.
        sends(
          `token for a session of ${title}`,
          authMessage(`${name}\0abc`, tokenFor('mallory')),
          'denied document/bad-name',
        ),
      ]),
    )
  })

  test('names that are no text, or far too long, close the socket', async () => {
    const raw = (...name: number[]) => bytes([name.length], name, [MessageType.Auth, 0, 1, 65])
    await attackUnauthenticated([
      sends('a lone surrogate', raw(0xed, 0xa0, 0x80), Malformed),
      sends('a surrogate pair in CESU-8', raw(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80), Malformed),
      sends('an overlong slash', raw(0xc0, 0xaf), Malformed),
      sends('half a letter', raw(0xc3), Malformed),
      sends('invalid bytes', raw(0xff, 0xfe, 0xfd), Malformed),
      sends('10 KB of name', authMessage('n'.repeat(10_000), 'token'), Malformed),
      sends('500 KB of name', authMessage('n'.repeat(500_000), 'token'), Malformed),
      sends('a session without an end', authMessage(`${HOSTILE}\0${'s'.repeat(1_000)}`, 'token'), Malformed),
      sends('a session without a name', authMessage(`${HOSTILE}\0`, tokenFor('mallory')), Malformed),
    ])
  })
})

describe('before authentication', () => {
  test('frames that need it wait for a token, then the socket is closed with 4408', async () => {
    const messages = {
      ...validMessages(HOSTILE),
      stateless: statelessMessage(HOSTILE, 'payload'),
      'awareness query': numbers(HOSTILE, MessageType.QueryAwareness),
      'an unknown type': numbers(HOSTILE, 99),
      'a broadcast': statelessMessage(HOSTILE, 'payload', 6),
      close: numbers(HOSTILE, MessageType.Close),
    }
    await attackUnauthenticated([
      ...Object.entries(messages).map(([title, message]) => sends(title, message, Timeout)),
      { title: 'nothing at all', run: () => {}, expected: Timeout },
      sends('half a frame', Uint8Array.of(), Malformed),
      {
        title: 'a header without a payload',
        run: (socket) => socket.sendRaw(Uint8Array.of(0x82, 0xfe, 1)),
        expected: Timeout,
      },
      {
        title: 'pings all the time',
        run: (socket) => {
          const ping = setInterval(() => socket.send(Uint8Array.of(9)), 50)
          void socket.closed.then(() => clearInterval(ping))
        },
        expected: Timeout,
      },
      {
        title: 'more than waits for a token: 1 MiB of messages',
        run: (socket) => {
          for (let index = 0; index < 9; index += 1) socket.send(updateMessage(HOSTILE, new Uint8Array(128 * 1024)))
        },
        expected: TooMany,
      },
      {
        title: 'one message over 1 MiB',
        run: (socket) => socket.send(updateMessage(HOSTILE, new Uint8Array(2 * 1024 * 1024))),
        expected: MessageTooBig,
      },
      {
        title: '101 documents',
        run: (socket) => {
          for (let index = 0; index < 101; index += 1)
            socket.send(numbers(`hostile/${index}`, MessageType.QueryAwareness))
        },
        expected: TooMany,
      },
    ])
  })

  test('malformed frames close it at once', async () => {
    await attackUnauthenticated([
      ...truncations('a token', authMessage(HOSTILE, 'token')),
      sends('an empty message', new Uint8Array(0), Malformed),
      ...Object.entries(huge).map(([title, size]) => sends(`a name of ${title}`, bytes(size, [65]), Malformed)),
      sends('authentication of a server', authMessage(HOSTILE, 'read-write', 2), Malformed),
    ])
  })
})

describe('broken WebSocket frames', () => {
  const raw = (title: string, sent: Uint8Array, expected: Outcome): Attack => ({
    title,
    run: (socket) => socket.sendRaw(sent),
    expected,
  })
  const some = Uint8Array.of(1, 2, 3)

  test('are answered as RFC 6455 says', async () => {
    const address = encoded(witnesses.name, () => {})
    const valid = syncMessage(witnesses.name, SyncType.Step1, Uint8Array.of(0))
    await attack([
      raw('text', frame(Buffer.from('hello'), { opcode: 1 }), Malformed),
      raw('empty text', frame(new Uint8Array(0), { opcode: 1 }), Malformed),
      raw('text that is no UTF-8', frame(Uint8Array.of(0xff), { opcode: 1 }), INVALID_TEXT),
      raw(
        'fragmented text',
        Buffer.concat([frame(some, { opcode: 1, fin: false }), frame(some, { opcode: 0 })]),
        Malformed,
      ),
      raw('an unmasked frame', frame(valid, { masked: false }), PROTOCOL_ERROR),
      raw('an unmasked close', frame(Uint8Array.of(3, 232), { opcode: 8, masked: false }), PROTOCOL_ERROR),
      ...[1, 2, 3, 4, 5, 6, 7].map((reserved) =>
        raw(`reserved bits ${reserved}`, frame(some, { reserved }), PROTOCOL_ERROR),
      ),
      ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) =>
        raw(`opcode ${opcode}`, frame(some, { opcode }), PROTOCOL_ERROR),
      ),
      ...[8, 9, 10].flatMap((opcode) => [
        raw(`fragmented control frame ${opcode}`, frame(some, { opcode, fin: false }), PROTOCOL_ERROR),
        raw(`control frame ${opcode} of 126 bytes`, frame(new Uint8Array(126), { opcode }), PROTOCOL_ERROR),
      ]),
      raw('the rest of nothing', frame(some, { opcode: 0 }), PROTOCOL_ERROR),
      raw('a message inside another', Buffer.concat([frame(some, { fin: false }), frame(some)]), PROTOCOL_ERROR),
      ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) =>
        raw(`close code ${code}`, frame(Uint8Array.of(code >> 8, code & 255), { opcode: 8 }), PROTOCOL_ERROR),
      ),
      raw('a close of one byte', frame(Uint8Array.of(3), { opcode: 8 }), PROTOCOL_ERROR),
      raw('a close reason that is no UTF-8', frame(Uint8Array.of(3, 232, 0xff), { opcode: 8 }), INVALID_TEXT),
      raw('a message of 33 MiB', frame(some, { declaredLength: 33 * 1024 * 1024 }), MessageTooBig),
      raw('a message of 2^40 bytes', frame(some, { declaredLength: 2 ** 40 }), MessageTooBig),
      raw('a message of 2^53 bytes', frame(some, { declaredLength: 2 ** 53 }), MessageTooBig),
      raw('a message that is longer than its frame', frame(bytes(address, [0, 2, 100], some)), Malformed),
      // A fragmented message is put together in memory that others' frames have used: it must not be read beyond.
      raw(
        'a fragmented message that is longer than its frames',
        Buffer.concat([frame(bytes(address, [0, 2, 100]), { fin: false }), frame(some, { opcode: 0 })]),
        Malformed,
      ),
      {
        title: 'a valid message in fragments of a byte, with pings between',
        run: (socket) => {
          for (let index = 0; index < valid.length; index += 1) {
            const options = { opcode: index === 0 ? 2 : 0, fin: index === valid.length - 1 }
            socket.send(valid.subarray(index, index + 1), options)
            socket.send(some, { opcode: 9 })
          }
        },
        expected: 'ignored',
      },
      {
        title: '20,000 empty fragments',
        run: (socket) => {
          socket.send(valid, { fin: false })
          for (let index = 0; index < 20_000; index += 1) socket.send(new Uint8Array(0), { opcode: 0, fin: false })
          socket.send(new Uint8Array(0), { opcode: 0 })
        },
        expected: TOO_MANY_FRAGMENTS,
      },
    ])
  })
})

describe("frames of y-websocket's dialect", () => {
  test('messages cut off at every length', async () => {
    for (const [title, message] of Object.entries(validMessages(null))) {
      await attackY(truncations(title, message))
    }
  })

  test('types that are not its own', async () => {
    const types = [4, 5, 6, 7, 8, 11, 100, 127, 128, 2 ** 31]
    await attackY([
      ...types.map((type) => sends(`message type ${type}`, statelessMessage(null, 'payload', type), Malformed)),
      sends('a token', authMessage(null, tokenFor('mallory')), Malformed),
      sends('a denial', authMessage(null, 'permission-denied', 0), Malformed),
      ...[3, 127, 2 ** 31].map((type) => sends(`sync type ${type}`, syncMessage(null, type, someUpdate()), Malformed)),
      sends('an empty message', new Uint8Array(0), Malformed),
      sends('the awareness query', numbers(null, MessageType.QueryAwareness), 'ignored'),
      { title: 'text', run: (socket) => socket.send(Buffer.from('hello'), { opcode: 1 }), expected: Malformed },
    ])
  })

  test('a message that Hocuspocus would read as a token for another document opens nothing', async () => {
    // Type 5 reads as the length of a name, and the length of the payload as its first letter: `a/../`.
    const payload = Buffer.concat([Buffer.from('/../'), Buffer.of(MessageType.Auth, AuthType.Token)])
    const smuggled = statelessMessage(null, payload.toString().padEnd('a'.charCodeAt(0), '.'))
    await attackY([sends('a token inside a stateless message', smuggled, Malformed)])
    expect(server.output()).not.toContain('a/../')
  })

  test('random bytes', async () => {
    const random = createRandom(seed + 3)
    await attackY(
      Array.from({ length: 80 }, (_, index) =>
        sends(`bytes ${index}`, randomBytes(random, 1 + random.int(60)), 'refused or served'),
      ),
    )
  })
})

test('these were more than 500', () => {
  console.log(`malformed frames: ${total} sent`)
  expect(total).toBeGreaterThan(500)
})
