import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { NewEvent } from '../../persistence/event-store.ts'
import type { NewUpdate, UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, update } from './updates.ts'

/** A Yjs update that changes nothing. */
const NO_CHANGE = Uint8Array.of(0, 0)

function happened(id: string, fields: Partial<NewEvent> = {}): NewEvent {
  return { id, kind: 'call.ended', at: 100, document: 'chat/a', users: ['ann'], json: '{"n":1}', ...fields }
}

function updateWith(id: string, options: Partial<NewUpdate> = {}): NewUpdate {
  return update('chat/a', '', { data: NO_CHANGE, events: [happened(id)], ...options })
}

async function idsIn(log: UpdateLog, after = 0): Promise<string[]> {
  return (await log.events.read({ after, limit: 1_000 })).map(({ id }) => id)
}

/** What every log promises of events. `open` as for describeUpdateLog(). */
export function describeEventStore(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  describe(`${name}: events`, () => {
    test('[promise 1] are stored with their update or not at all, and are there when opened again', async () => {
      const folder = await makeFolder()
      const log = await open(folder)
      const taken = { room: 'chat/a', lastSeq: 7 }
      const odd = happened('odd', { users: ['a\u0000b', 'zoë'], json: '{"text":"naïve \\u0000 😀"}', document: '' })
      const positions = await log.append([
        updateWith('one'),
        updateWith('left out', { expects: taken }),
        updateWith('falls with it', { follows: true }),
        updateWith('two', { events: [happened('two', { kind: 'other.kind' }), odd] }),
      ])
      expect(positions).toEqual([1, 0, 0, 2])
      await log.close()
      const again = await openIn(folder)
      const events = await again.events.read({ after: 0, limit: 9 })
      expect(events).toEqual([
        { number: events[0]?.number, ...happened('one') },
        { number: events[1]?.number, ...happened('two', { kind: 'other.kind' }) },
        { number: events[2]?.number, ...odd },
      ])
      expect(await again.events.last()).toBe(events[2]?.number)
      expect(await Array.fromAsync(again.check())).toEqual([])
    })

    test('of the same id are one, which concerns the users of those updates of its batch that are stored', async () => {
      const log = await openIn(await makeFolder())
      const shared = (user: string, options: Partial<NewUpdate> = {}) =>
        update(`inbox/${user}`, user, { events: [happened('shared', { users: [user] })], ...options })
      await log.append([
        shared('ann', { expects: { room: 'inbox/ann', lastSeq: 3 } }),
        shared('bob'),
        shared('cyd'),
        shared('bob'),
      ])
      await log.append([shared('dan')])
      const events = await log.events.read({ after: 0, limit: 9 })
      expect(events.map(({ id, users }) => [id, users])).toEqual([['shared', ['bob', 'cyd']]])
    })

    test('are read by pages, of all kinds or one; large ones make shorter pages', async () => {
      const log = await openIn(await makeFolder())
      const large = { json: JSON.stringify('x'.repeat(600_000)) }
      const kinds = ['a', 'b', 'a', 'a', 'b'].map((kind, index) => happened(`${index}`, { kind, ...large }))
      await log.append(kinds.map((event) => update('chat/a', event.id, { events: [event] })))
      const all = await log.events.read({ after: 0, limit: 9 })
      expect(all.map(({ id }) => id)).toEqual(['0', '1'])
      expect(await idsIn(log, all[1]?.number)).toEqual(['2', '3'])
      const ofKind = await log.events.read({ after: all[0]?.number ?? 0, limit: 1, kind: 'a' })
      expect(ofKind.map(({ id }) => id)).toEqual(['2'])
      expect(await log.events.read({ after: await log.events.last(), limit: 9 })).toEqual([])
    })

    test('never appear behind one that was read, whoever writes them', async () => {
      const folder = await makeFolder()
      const writers = [await openIn(folder), await openIn(folder)]
      const reader = await openIn(folder)
      const seen: string[] = []
      let after = 0
      const look = async () => {
        const page = await reader.events.read({ after, limit: 5 })
        seen.push(...page.map(({ id }) => id))
        after = page.at(-1)?.number ?? after
        return page.length
      }
      let isWriting = true
      const writing = Promise.all(
        writers.map(async (log, writer) => {
          for (let round = 0; round < 10; round++) {
            // With messages in rooms of their own, so that transactions take unlike long.
            const messages = Array.from({ length: writer * 20 }, (_, seq) =>
              archived(`chat/${writer}-${round}`, seq + 1, 'text'),
            )
            const events = [0, 1].map((nth) => happened(`${writer}-${round}-${nth}`))
            await log.append([update(`notes/${writer}`, 'x', { events, messages })])
          }
        }),
      ).finally(() => {
        isWriting = false
      })
      while (isWriting) await look()
      await writing
      while ((await look()) > 0);
      expect(seen.toSorted()).toEqual((await idsIn(reader)).toSorted())
      expect(seen).toHaveLength(40)
    })

    test('are forgotten from the oldest on, so many at a time, and their numbers are not given again', async () => {
      const log = await openIn(await makeFolder())
      const ages = [100, 200, 300, 400]
      await log.append(ages.map((at) => update('chat/a', `${at}`, { events: [happened(`${at}`, { at })] })))
      expect(await log.events.forget({ before: 350, limit: 2 })).toBe(2)
      expect(await idsIn(log)).toEqual(['300', '400'])
      expect(await log.events.forget({ before: 350, limit: 2 })).toBe(1)
      expect(await log.events.forget({ before: 350, limit: 2 })).toBe(0)
      const last = await log.events.last()
      expect(await log.events.forget({ before: 999, limit: 9 })).toBe(1)
      expect(await log.events.last()).toBe(last)
      await log.append([updateWith('next')])
      expect(await idsIn(log, last)).toEqual(['next'])
    })

    test('have consumers, for which one works at a time and goes on where another one ended', async () => {
      const folder = await makeFolder()
      const [one, other] = [await openIn(folder), await openIn(folder)]
      const long = { owner: 'one', forMs: 60_000 }
      expect(await one.events.claim('billing', long)).toBe(0)
      expect(await other.events.claim('billing', { owner: 'other', forMs: 60_000 })).toBeUndefined()
      expect(await other.events.claim('webhooks', { owner: 'other', forMs: 60_000 })).toBe(0)
      expect(await other.events.pass('billing', { owner: 'other', last: 9 })).toBe(false)
      expect(await one.events.pass('billing', { owner: 'one', last: 5 })).toBe(true)
      expect(await one.events.claim('billing', { ...long, forMs: 20 })).toBe(5)
      await vi.waitUntil(async () => (await other.events.claim('billing', { owner: 'other', forMs: 60_000 })) === 5)
      expect(await one.events.pass('billing', { owner: 'one', last: 6 })).toBe(false)
      await one.events.release('billing', 'one')
      expect(await one.events.claim('billing', long)).toBeUndefined()
      await other.events.release('billing', 'other')
      expect(await one.events.claim('billing', long)).toBe(5)
    })
  })
}
