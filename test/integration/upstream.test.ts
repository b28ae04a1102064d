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
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { Awareness, encodeAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import { messageYjsSyncStep1, messageYjsSyncStep2, messageYjsUpdate } from 'y-protocols/sync'
import { messageAuth, messageAwareness, messageQueryAwareness, messageSync } from 'y-websocket'
import * as Y from 'yjs'
import { MessageType, SyncType } from '../../server/connection/frames.ts'

/** What of Yjs, Hocuspocus and the providers the server relies on or replaces: when one changes, it must be looked at. */

const connectionConfig: ConnectionConfiguration = { readOnly: false, isAuthenticated: true }
const request = new Request('http://localhost/')

describe('the Document of Hocuspocus', () => {
  test("has one 'update' listener of its own, and one for awareness: those that we remove", () => {
    const document = new Document('notes')
    expect(document._observers.get('update')?.size).toBe(1)
    expect(document.awareness._observers.get('update')?.size).toBe(1)
    document._observers.delete('update')
    document.awareness._observers.delete('update')
    const sent: unknown[] = []
    const socket = { readyState: 1, send: (data: unknown) => void sent.push(data), close() {} }
    const connection = new Connection(socket, request, document, 'id', {})
    document.getText('text').insert(0, 'unheard')
    document.awareness.setLocalState({})
    expect(sent).toEqual([])
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

describe('the Awareness of y-protocols', () => {
  test('has one timer, which ours takes the place of, and tells of what is shown first and last', () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const awareness = new Awareness(new Y.Doc())
    awareness.setLocalState(null)
    expect(vi.getTimerCount()).toBe(1)
    clearInterval(awareness._checkInterval)
    expect(vi.getTimerCount()).toBe(0)
    const shown: number[] = []
    awareness.on('change', () => shown.push(awareness.states.size))
    awareness.setLocalState({ user: 'ann' })
    removeAwarenessStates(awareness, [awareness.clientID], 'timeout')
    expect(shown).toEqual([1, 0])
  })
})

describe('the hooks of Hocuspocus', () => {
  test('are called with these names, in this order, for a document that opener.ts opens and releases', async () => {
    const calls: string[] = []
    const note = (name: string) => async () => {
      calls.push(name)
    }
    const hooks = ['onCreateDocument', 'onLoadDocument', 'beforeUnloadDocument', 'afterUnloadDocument']
    const hocuspocus = new Hocuspocus({
      quiet: true,
      extensions: [Object.fromEntries(hooks.map((name) => [name, note(name)]))],
    })
    const document = await hocuspocus.createDocument('notes', request, '', connectionConfig)
    expect(hocuspocus.documents.get('notes')).toBe(document)
    document.addDirectConnection()
    // Somebody has it open.
    await hocuspocus.unloadDocument(document)
    expect(calls).toEqual(hooks.slice(0, 2))
    document.removeDirectConnection()
    expect(document.getConnectionsCount()).toBe(0)
    await hocuspocus.unloadDocument(document)
    expect(calls).toEqual(hooks)
    expect(hocuspocus.documents.size).toBe(0)
  })

  test('those who want a document at the same time get the same one', async () => {
    const hocuspocus = new Hocuspocus({ quiet: true, onLoadDocument: async () => {} })
    const open = () => hocuspocus.createDocument('notes', request, '', connectionConfig)
    const [first, second] = await Promise.all([open(), open()])
    expect(second).toBe(first)
    expect(await open()).toBe(first)
    first.destroy()
  })

  test('what a hook of loading throws comes to who opens the document', async () => {
    const refusal = { reason: 'no' }
    const onLoadDocument = () => Promise.reject(refusal)
    const hocuspocus = new Hocuspocus({ quiet: true, extensions: [{ onLoadDocument }] })
    await expect(hocuspocus.createDocument('notes', request, '', connectionConfig)).rejects.toBe(refusal)
    expect(hocuspocus.loadingDocuments.size).toBe(0)
  })

  test('onCreateDocument gives a document its id', async () => {
    const onCreateDocument = async () => ({ guid: 'given' })
    const hocuspocus = new Hocuspocus({ quiet: true, extensions: [{ onCreateDocument }] })
    const document = await hocuspocus.createDocument('notes', request, '', connectionConfig)
    expect(document.guid).toBe('given')
    document.destroy()
  })

  test('beforeBroadcastStateless is called for what is sent to all clients, of which it knows none', async () => {
    const payloads: string[] = []
    const beforeBroadcastStateless = async ({ payload }: { payload: string }) => void payloads.push(payload)
    const hocuspocus = new Hocuspocus({ quiet: true, extensions: [{ beforeBroadcastStateless }] })
    const document = await hocuspocus.createDocument('notes', request, '', connectionConfig)
    document.broadcastStateless('news')
    await expect.poll(() => payloads).toEqual(['news'])
    document.destroy()
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
  test('gives up a silent connection after 30 s: the server says something every 25 s', () => {
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
