import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { type Client, openClient, openYWebsocket, until, whenDocument } from '../support/clients.ts'
import type { TestServer } from '../support/server.ts'

/** What attacks may cost at most, all together: the largest send 1,200 MB, and what was dropped is collected when it is. */
const MAX_GROWTH_MB = 700

/**
 * An honest pair on one document, a stock Hocuspocus client and a stock y-websocket client. Whatever was done to the
 * server, they still hear of each other's edits at once, and nothing else has changed in their document.
 */
export class Witnesses {
  readonly name: string
  readonly #server: TestServer
  readonly #ann: Client
  readonly #bob: WebsocketProvider
  readonly #disconnects: string[]
  readonly #rssMbAtStart: number
  #expected: string
  #checks = 0

  static async open(server: TestServer, name = 'witness/document'): Promise<Witnesses> {
    const ann = openClient(server, name, { user: 'ann' })
    const bob = openYWebsocket(server, name, 'bob')
    await ann.synced()
    ann.text.insert(0, 'untouched content ✓\n')
    ann.ydoc.getMap('map').set('list', Y.Array.from([1, 'two', { three: 3 }]))
    await ann.saved()
    await whenDocument(bob.doc, () => bob.doc.getText('text').length === ann.text.length)
    return new Witnesses(server, name, ann, bob)
  }

  private constructor(server: TestServer, name: string, ann: Client, bob: WebsocketProvider) {
    this.#server = server
    this.name = name
    this.#ann = ann
    this.#bob = bob
    this.#expected = ann.text.toString()
    this.#rssMbAtStart = rssMb(server.pid)
    this.#disconnects = []
    ann.socket.on('disconnect', () => this.#disconnects.push('ann'))
    bob.on('connection-close', () => this.#disconnects.push('bob'))
  }

  /** The Yjs client ids of the owners of all content. */
  get clientIds(): { ann: number; bob: number } {
    return { ann: this.#ann.ydoc.clientID, bob: this.#bob.doc.clientID }
  }

  get ann(): Client {
    return this.#ann
  }

  get bob(): WebsocketProvider {
    return this.#bob
  }

  /** @throws {AssertionError} when the server, their document or their connections have suffered */
  async check(): Promise<void> {
    this.#checks += 1
    const { text } = this.#ann
    const theirs = this.#bob.doc.getText('text')
    text.insert(text.length, `ann ${this.#checks}\n`)
    await whenDocument(this.#bob.doc, () => theirs.toString() === text.toString())
    theirs.insert(theirs.length, `bob ${this.#checks}\n`)
    await whenDocument(this.#ann.ydoc, () => theirs.toString() === text.toString())
    this.#expected += `ann ${this.#checks}\nbob ${this.#checks}\n`
    await this.#ann.saved()

    expect(text.toString()).toBe(this.#expected)
    expect(this.#ann.ydoc.getMap('map').toJSON()).toEqual({ list: [1, 'two', { three: 3 }] })
    expect(this.#disconnects).toEqual([])
    expect([...this.#ann.ydoc.store.clients.keys()].sort()).toEqual(Object.values(this.clientIds).sort())

    const fresh = openClient(this.#server, this.name, { user: 'carol' })
    await fresh.synced()
    expect(Y.encodeStateAsUpdate(fresh.ydoc)).toEqual(Y.encodeStateAsUpdate(this.#ann.ydoc))
    fresh.destroy()

    const health = await fetch(`${this.#server.url}/health/live`)
    expect(health.status).toBe(200)
    process.kill(this.#server.pid, 0) // throws when that process is gone
    expect(rssMb(this.#server.pid) - this.#rssMbAtStart).toBeLessThan(MAX_GROWTH_MB)
  }

  close(): void {
    this.#ann.destroy()
    this.#bob.destroy()
  }
}

/** Memory that the process holds, MB. */
export function rssMb(pid: number): number {
  const [, kb] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) / 1024
}

/** Resolves once `provider` shows exactly these users' names, in any order. */
export function whenPresent(awareness: AwarenessLike, names: readonly string[]): Promise<void> {
  const expected = [...names].sort().join()
  return until(
    () => namesOf(awareness).join() === expected,
    (check) => awareness.on('change', check),
  )
}

export interface AwarenessLike {
  getStates(): Map<number, Record<string, unknown>>
  on(event: 'change', listener: () => void): void
}

export function namesOf(awareness: AwarenessLike): string[] {
  const states = [...awareness.getStates().values()]
  return states.map((state) => String((state.user as { name?: unknown } | undefined)?.name ?? '?')).sort()
}
