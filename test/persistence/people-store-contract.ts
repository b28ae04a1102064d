import { describe, expect, onTestFinished, test } from 'vitest'
import * as Y from 'yjs'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, readAll, rebuild, Typist, update } from './updates.ts'
import { namedVersion } from './version-store-contract.ts'

const MANY = 450

/** What every log promises of what it keeps of people. `open` as for describeUpdateLog(). */
export function describePeopleStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  const tracesOf = (log: UpdateLog, user: string) => Array.fromAsync(log.people.traces(user))

  describe(`${name}: people`, () => {
    test('what somebody wrote is found, and given to a pseudonym with its claims, versions and deletions', async () => {
      const folder = await makeFolder()
      const log = await openIn(folder)
      const typist = new Typist('a')
      const rows = Array.from({ length: MANY }, (_, at) => ({ ...typist.type('x'), at, clients: [at + 10] }))
      await log.append([...rows, update('a', '', { author: 'bob', clients: [7], data: Uint8Array.of(0, 0) })])
      const big = new Typist('c')
      await log.append([
        { ...new Typist('b').type('of bob'), author: 'bob' },
        big.type('big'.repeat(500_000)),
        big.type('2'),
        { ...new Typist('gone').type('x'), author: 'annika' },
      ])
      await log.delete('gone', { at: 5, by: 'ann' })
      await log.versions.add('b', namedVersion('v', 1))
      await log.versions.add('b', namedVersion('w', 1, { author: 'bob' }))
      await log.seen.raise(
        'b',
        ['ann', 'bob'].map((user) => ({ user, position: 1, at: 2 })),
      )
      expect(await log.retention.pack('a', 300)).toBe(300)
      const before = await log.load('a')
      const none = { updates: 0, firstAt: 0, lastAt: 0, clients: 0, versions: 0, hasSeen: false }
      const { at } = update('c', '')
      expect(await tracesOf(log, 'ann')).toEqual([
        { ...none, document: 'a', updates: MANY, lastAt: MANY - 1, clients: MANY },
        { ...none, document: 'b', versions: 1, hasSeen: true },
        { ...none, document: 'c', updates: 2, firstAt: at, lastAt: at },
      ])

      // Two at once do each other no harm, and each row is counted at least once.
      const other = await openIn(folder)
      const [one, two] = await Promise.all([
        log.people.disown('ann', 'erased-1'),
        other.people.disown('ann', 'erased-1'),
      ])
      expect(one.updates + two.updates).toBeGreaterThanOrEqual(MANY + 2)
      expect(one.deletions + two.deletions).toBe(1)
      const nothing = { updates: 0, clients: 0, versions: 0, deletions: 0, seen: 0 }
      expect(await log.people.disown('ann', 'erased-2')).toEqual(nothing)
      expect(await tracesOf(log, 'ann')).toEqual([])
      expect((await tracesOf(log, 'erased-1')).map(({ document }) => document)).toEqual(['a', 'b', 'c'])

      const authors = (await readAll(log, 'a')).map(({ author }) => author)
      expect(new Set(authors)).toEqual(new Set(['erased-1', 'bob']))
      expect(authors.at(-1)).toBe('bob')
      const { parts, clients } = await log.load('a')
      expect(parts).toEqual(before.parts)
      expect(clients.get(10)).toBe('erased-1')
      expect(clients.get(7)).toBe('bob')
      expect((await log.versions.list('b')).map(({ id, author, name }) => [id, author, name])).toEqual([
        ['v', 'erased-1', 'version v'],
        ['w', 'bob', 'version w'],
      ])
      expect(await log.seen.find('b', 'ann')).toBeUndefined()
      expect(await log.seen.find('b', 'bob')).toEqual({ user: 'bob', position: 1, at: 2 })
      expect((await log.documents({ limit: 9, deleted: true }))[0]?.deleted?.by).toBe('erased-1')
      expect(await Array.fromAsync(log.check())).toEqual([])

      // Nobody gets the client ids, not even a new person of the same name.
      for (const author of ['bob', 'ann'])
        expect(await other.append([update('a', 'x', { author, clients: [10] })])).toEqual([0])
      expect(await log.append([update('a', 'x', { clients: [9_999] })])).toEqual([MANY + 2])
    })

    test('a snapshot forgets the keys of a user that were removed, and no others', async () => {
      const log = await openIn(await makeFolder())
      const typist = new Typist('a')
      const set = (key: string, value: number) => typist.edit((doc) => doc.getMap('marks').set(key, value))
      await log.append([set('ann', 1), set('ann', 2), set('bob', 1), set('anna', 3)])
      const acts = new Y.Map([
        ['end ann', 1],
        ['end bob', 1],
      ])
      await log.append([typist.edit((doc) => doc.getArray('calls').push([acts]))])
      const remove = (doc: Y.Doc) => {
        doc.getMap('marks').delete('ann')
        acts.delete('end ann')
      }
      await log.append([typist.edit(remove)])
      await log.append([typist.edit((doc) => doc.getMap('marks').delete('anna'))])
      await log.compact('a')
      const snapshot = async () => Buffer.from((await log.load('a')).parts[0] ?? []).toString('latin1')
      expect(await snapshot()).toMatch(/marks.ann[^a]/)
      expect(await log.people.scrub('a', 'ann')).toBe(7)
      expect(await log.people.scrub('unknown', 'ann')).toBe(0)
      expect(await snapshot()).not.toMatch(/ann(?!a)/)
      expect(await snapshot()).toContain('anna')
      const doc = rebuild(await log.load('a'))
      expect(doc.getMap('marks').toJSON()).toEqual({ bob: 1 })
      expect(doc.getArray('calls').toJSON()).toEqual([{ 'end bob': 1 }])
      // Whoever has the document from before goes on, and what is there again stays.
      await log.append([set('bob', 5), set('cleo', 1)])
      const fresh = new Y.Doc()
      for (const part of (await log.load('a')).parts) Y.applyUpdate(fresh, part)
      fresh.getMap('marks').set('ann', 7)
      await log.append([update('a', '', { data: Y.encodeStateAsUpdate(fresh, Y.encodeStateVector(typist.doc)) })])
      await log.people.scrub('a', 'ann')
      expect(
        rebuild(await log.load('a'))
          .getMap('marks')
          .toJSON(),
      ).toEqual({ bob: 5, cleo: 1, ann: 7 })
      expect(await Array.fromAsync(log.check())).toEqual([])
    })

    test('[promise 1] erasures are kept, and found until they are done', async () => {
      const folder = await makeFolder()
      const log = await openIn(folder)
      const erasure = { id: 'one', at: 10, isDone: false, json: '{"user":"zoë \\u0000"}' }
      await log.people.saveErasure(erasure)
      await log.people.saveErasure({ ...erasure, id: 'two', at: 5, isDone: true })
      const again = await openIn(folder)
      expect(await again.people.erasure('one')).toEqual(erasure)
      expect(await again.people.erasure('three')).toBeUndefined()
      expect(await again.people.erasures(6)).toEqual([erasure])
      expect((await again.people.erasures(5)).map(({ id }) => id)).toEqual(['two', 'one'])
      await again.people.saveErasure({ ...erasure, isDone: true, json: '{}' })
      expect(await log.people.erasures(11)).toEqual([])
      expect(await log.people.erasure('one')).toEqual({ ...erasure, isDone: true, json: '{}' })
    })

    test('subscriptions of a room end together, events go by their numbers, and an inbox is erased with its archive', async () => {
      const log = await openIn(await makeFolder())
      const [room, other] = ['inbox/ann', 'inbox/bob']
      for (const name of ['phone', 'laptop', 'tablet']) {
        const subscription = { endpoint: `https://push.example/${name}`, p256dh: 'p', auth: 'a' }
        await log.pushes.subscribe({ room: name === 'tablet' ? other : room, at: 1, subscription }, { max: 9 })
      }
      const event = (id: string) => ({ id, kind: 'k', at: 1, document: '', users: [], json: '{}' })
      await log.append([
        update(room, '', { messages: [archived(room, 1, 'needle')], pushAt: 1, events: [event('1'), event('2')] }),
        update(other, '', { messages: [archived(other, 1, 'other')], events: [event('3')] }),
      ])
      expect(await log.pushes.endAll(room)).toBe(2)
      expect(await log.pushes.endAll(room)).toBe(0)
      expect((await log.pushes.subscriptions({ limit: 9 })).subscriptions.map((one) => one.room)).toEqual([other])
      expect(await log.pushes.claim({ now: 9, until: 10, limit: 9 })).toEqual([])
      const numbers = (await log.events.read({ after: 0, limit: 2 })).map(({ number }) => number)
      expect(await log.events.remove([...numbers, 999])).toBe(2)
      expect((await log.events.read({ after: 0, limit: 9 })).map(({ id }) => id)).toEqual(['3'])

      await log.delete(room, { at: 1, by: '' })
      expect(await log.erase(room)).toBe(true)
      expect(await log.free(room)).toBe(true)
      await log.people.sweep()
      expect(await log.messages.list(room, { limit: 9 })).toEqual([])
      expect(await log.messages.list(other, { limit: 9 })).toHaveLength(1)
      expect(await log.documents({ limit: 9, deleted: true })).toEqual([])
    })
  })
}
