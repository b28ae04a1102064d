import { Database } from '@hocuspocus/extension-database'
import {
  HocuspocusProvider,
  HocuspocusProviderWebsocket,
  MessageType as ProviderMessageType,
} from '@hocuspocus/provider'
import {
  Connection,
  type ConnectionConfiguration,
  Document,
  Hocuspocus,
  MessageType as ServerMessageType,
} from '@hocuspocus/server'
import * as decoding from 'lib0/decoding'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import { messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate } from 'y-protocols/sync'
import { messageAuth, messageAwareness, messageQueryAwareness, messageSync } from 'y-websocket'
import * as Y from 'yjs'
import { MessageType, SyncType } from '../../server/connection/frames.ts'

/** What of Yjs, Hocuspocus and the providers the server relies on or replaces: when one changes, it must be looked at. */

const connectionConfig: ConnectionConfiguration = { readOnly: false, isAuthenticated: true }
const request = new Request('http://localhost/')

function fakeSocket() {
  const sent: Uint8Array[] = []
  const closed: unknown[] = []
  return {
    sent,
    closed,
    readyState: 1,
    send: (data: string | Uint8Array | ArrayBuffer) => void sent.push(data as Uint8Array),
    close: (...event: unknown[]) => void closed.push(event),
  }
}

describe('the Document of Hocuspocus', () => {
  test("has one 'update' listener of its own, and one for awareness: those that we remove", () => {
    const document = new Document('notes')
    expect(document._observers.get('update')?.size).toBe(1)
    expect(document.awareness._observers.get('update')?.size).toBe(1)
    document._observers.delete('update')
    document.awareness._observers.delete('update')
    const socket = fakeSocket()
    const connection = new Connection(socket, request, document, 'id', {})
    document.getText('text').insert(0, 'unheard')
    document.awareness.setLocalState({})
    expect(socket.sent).toEqual([])
    connection.close()
    document.destroy()
  })

  test('shows no presence of its own', () => {
    const document = new Document('notes')
    expect(document.awareness.getStates().size).toBe(0)
    document.destroy()
  })

  test('gets one more awareness listener when it is loaded, and none for updates', async () => {
    const hocuspocus = new Hocuspocus({ quiet: true })
    const document = await hocuspocus.createDocument('notes', request, 'id', connectionConfig)
    expect(document._observers.get('update')?.size).toBe(1)
    expect(document.awareness._observers.get('update')?.size).toBe(2)
    document.destroy()
  })
})

describe('a Connection of Hocuspocus', () => {
  test('is addressed by its document, and by its session if it has one', () => {
    const document = new Document('notes')
    const address = (session?: string) =>
      new Connection(fakeSocket(), request, document, 'id', {}, false, session).messageAddress
    expect(address()).toBe('notes')
    expect(address('session')).toBe('notes\0session')
    // Why a session without a name is refused.
    expect(address('')).toBe('notes')
    document.destroy()
  })

  test('sends a close message when it is closed, which detaching must hold back', () => {
    const document = new Document('notes')
    const socket = fakeSocket()
    const connection = new Connection(socket, request, document, 'id', {})
    connection.close({ code: 1000, reason: 'closed' })
    const decoder = decoding.createDecoder(socket.sent[0] ?? new Uint8Array(0))
    expect([decoding.readVarString(decoder), decoding.readVarUint(decoder)]).toEqual(['notes', MessageType.Close])
    expect(socket.closed).toEqual([])
    document.destroy()
  })
})

describe('the hooks of Hocuspocus', () => {
  test('are called with these names, in this order', async () => {
    const calls: string[] = []
    const note = (name: string) => async () => {
      calls.push(name)
    }
    const socket = fakeSocket()
    const opened = Promise.withResolvers<void>()
    const unloaded = Promise.withResolvers<void>()
    const hocuspocus = new Hocuspocus({
      quiet: true,
      extensions: [
        {
          onConnect: note('onConnect'),
          onAuthenticate: note('onAuthenticate'),
          onLoadDocument: note('onLoadDocument'),
          connected: async () => {
            calls.push('connected')
            opened.resolve()
          },
          onTokenSync: note('onTokenSync'),
          beforeUnloadDocument: note('beforeUnloadDocument'),
          afterUnloadDocument: async () => {
            calls.push('afterUnloadDocument')
            unloaded.resolve()
          },
        },
      ],
    })
    const connection = hocuspocus.handleConnection(socket, request, {})
    const token = Uint8Array.of(5, ...Buffer.from('notes'), MessageType.Auth, 0, 1, 120)
    connection.handleMessage(token)
    await opened.promise
    connection.handleMessage(token)
    await Promise.resolve()
    connection.handleClose({ code: 1000, reason: '' })
    await unloaded.promise
    expect(calls).toEqual([
      'onConnect',
      'onAuthenticate',
      'onLoadDocument',
      'connected',
      'onTokenSync',
      'beforeUnloadDocument',
      'afterUnloadDocument',
    ])
    // The token was answered once: for a new one there is only the hook.
    expect(socket.sent).toHaveLength(2)
  })

  test('a denial forgets the document right after it was sent, within the same turn', async () => {
    const denied = Promise.withResolvers<void>()
    let attempts = 0
    const socket = { ...fakeSocket(), send: () => queueMicrotask(denied.resolve) }
    const hocuspocus = new Hocuspocus({
      quiet: true,
      onAuthenticate: async () => {
        attempts += 1
        throw { reason: 'no' }
      },
    })
    const connection = hocuspocus.handleConnection(socket, request, {})
    const token = Uint8Array.of(5, ...Buffer.from('notes'), MessageType.Auth, 0, 1, 120)
    connection.handleMessage(token)
    await denied.promise
    connection.handleMessage(token)
    // Otherwise the second one would be kept in a queue for ever.
    await expect.poll(() => attempts).toBe(2)
    connection.handleClose({ code: 1000, reason: '' })
  })

  test("the Database extension's fetch is what loads a document", async () => {
    const names: string[] = []
    const database = new Database({
      fetch: async ({ documentName }) => {
        names.push(documentName)
        return null
      },
    })
    const hocuspocus = new Hocuspocus({ quiet: true, extensions: [database] })
    const document = await hocuspocus.createDocument('notes', request, 'id', connectionConfig)
    expect(names).toEqual(['notes'])
    document.destroy()
  })
})

describe('numbers in messages', () => {
  const ours = MessageType
  test('are those of the Hocuspocus server', () => {
    expect(ours).toMatchObject({
      Sync: ServerMessageType.Sync,
      Awareness: ServerMessageType.Awareness,
      Auth: ServerMessageType.Auth,
      QueryAwareness: ServerMessageType.QueryAwareness,
      SyncReply: ServerMessageType.SyncReply,
      Stateless: ServerMessageType.Stateless,
      Close: ServerMessageType.CLOSE,
      SyncStatus: ServerMessageType.SyncStatus,
      Ping: ServerMessageType.Ping,
      Pong: ServerMessageType.Pong,
    })
  })

  test('are those of the Hocuspocus provider', () => {
    expect(ours).toMatchObject({
      Sync: ProviderMessageType.Sync,
      Awareness: ProviderMessageType.Awareness,
      Auth: ProviderMessageType.Auth,
      QueryAwareness: ProviderMessageType.QueryAwareness,
      Stateless: ProviderMessageType.Stateless,
      Close: ProviderMessageType.CLOSE,
      SyncStatus: ProviderMessageType.SyncStatus,
      Ping: ProviderMessageType.Ping,
      Pong: ProviderMessageType.Pong,
    })
  })

  test('are those of y-websocket and y-protocols', () => {
    expect(ours).toMatchObject({
      Sync: messageSync,
      Awareness: messageAwareness,
      Auth: messageAuth,
      QueryAwareness: messageQueryAwareness,
    })
    expect(SyncType).toEqual({ Step1: messageYjsSyncStep1, Step2: messageYjsSyncStep2, Update: messageYjsUpdate })
  })
})

describe('the Hocuspocus provider', () => {
  test('gives up a silent connection after 30 s: the server says something every 20 s', () => {
    const socket = new HocuspocusProviderWebsocket({
      url: 'ws://127.0.0.1:1',
      autoConnect: false,
      WebSocketPolyfill: WebSocket,
    })
    expect(socket.configuration.messageReconnectTimeout).toBe(30_000)
    socket.destroy()
  })

  test('never repeats what it hears', () => {
    const socket = new HocuspocusProviderWebsocket({
      url: 'ws://127.0.0.1:1',
      autoConnect: false,
      WebSocketPolyfill: WebSocket,
    })
    const provider = new HocuspocusProvider({
      websocketProvider: socket,
      name: 'notes',
      document: new Y.Doc(),
      token: '',
    })
    provider.attach()
    const sent: unknown[] = []
    provider.on('outgoingMessage', (message: unknown) => sent.push(message))
    const other = new Awareness(new Y.Doc())
    other.setLocalState({ user: 'other' })
    const update = encodeAwarenessUpdate(other, [other.clientID])
    const message = Uint8Array.of(5, ...Buffer.from('notes'), MessageType.Awareness, update.length, ...update)
    provider.onMessage({ data: message } as unknown as MessageEvent)
    expect(provider.awareness?.getStates().has(other.clientID)).toBe(true)
    expect(sent).toEqual([])
    other.destroy()
    provider.destroy()
    socket.destroy()
  })
})

describe('Yjs', () => {
  test('keeps what waits for others in pendingStructs and pendingDs', () => {
    const source = new Y.Doc()
    const updates: Uint8Array[] = []
    source.on('update', (update: Uint8Array) => updates.push(update))
    source.getText('text').insert(0, 'a')
    source.getText('text').insert(1, 'b')
    const [first = new Uint8Array(0), second = new Uint8Array(0)] = updates
    const target = new Y.Doc()
    Y.applyUpdate(target, second)
    expect(target.store.pendingStructs?.update).toBeInstanceOf(Uint8Array)
    expect(target.store.pendingDs).toBeNull()
    Y.applyUpdate(target, first)
    expect(target.store.pendingStructs).toBeNull()
  })

  test("emits 'beforeObserverCalls' with the changed types, before it looks at them", () => {
    const ydoc = new Y.Doc()
    let observed = 0
    ydoc.getText('text').observe(() => {
      observed += 1
    })
    ydoc.on('beforeObserverCalls', ({ changed }: Y.Transaction) => changed.clear())
    ydoc.getText('text').insert(0, 'a')
    expect(observed).toBe(0)
    expect(ydoc.getText('text').toString()).toBe('a')
  })

  test('takes the last block of a client that comes twice, and merges all of them: why such updates are refused', () => {
    const ydoc = new Y.Doc()
    ydoc.clientID = 1
    ydoc.getText('text').insert(0, 'a')
    const known = Y.encodeStateAsUpdate(ydoc)
    const before = Y.encodeStateVector(ydoc)
    ydoc.getText('text').insert(1, 'b')
    const next = Y.encodeStateAsUpdate(ydoc, before)
    const twice = Uint8Array.of(2, ...next.subarray(1, -1), ...known.subarray(1, -1), 0)
    const target = new Y.Doc()
    Y.applyUpdate(target, twice)
    expect(target.getText('text').toString()).toBe('a')
  })
})
