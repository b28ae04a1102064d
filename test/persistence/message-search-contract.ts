import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, seed, update } from './updates.ts'

/** What every log promises whose messages can be searched. */
export function describeMessageSearch(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function logWith(texts: readonly string[], room = 'chat/a'): Promise<UpdateLog> {
    const log = await open(await makeFolder())
    onTestFinished(() => log.close())
    await log.append(texts.map((text, index) => update('x', '', { messages: [archived(room, index + 1, text)] })))
    return log
  }
  const found = async (log: UpdateLog, query: string) =>
    (await log.messages.search(query, { limit: 100 })).messages.map(({ seq }) => seq)

  describe(`${name}: search in messages`, () => {
    test('finds all words, the last one as a prefix, newest first, whatever the case and accents', async () => {
      const log = await logWith(['The launch is on Monday', 'launch launching lunch', 'Élan vital', 'nothing of it'])
      expect(await found(log, 'launch')).toEqual([2, 1])
      expect(await found(log, 'LAUNCH mon')).toEqual([1])
      expect(await found(log, 'mon launch')).toEqual([])
      expect(await found(log, 'elan VITÁL')).toEqual([3])
      expect(await found(log, 'aunch')).toEqual([])
      expect(await found(log, ' \t\n')).toEqual([])
    })

    const typed = ['"', '""', "'", '*', 'launch*', 'a OR b', 'NOT launch', 'NEAR(a b)', 'text:launch', '{text}: x']
    const more = ['^launch', '(', ')', '-launch', '+', 'a"b', '\u0000launch', '😀', '\ud800', ';DROP TABLE messages']
    const last = ['\\', '%', '-'.repeat(900), 'a '.repeat(500), 'launch AND', 'AND', ':', ',', '""" launch', '"launch"']
    test('what a person typed is no query language', async () => {
      const log = await logWith(['the launch, text or not'])
      for (const query of [...typed, ...more, ...last]) {
        const { messages } = await log.messages.search(query, { limit: 10 })
        const finds = ['launch*', 'NOT launch', '^launch', '-launch', '\u0000launch', '""" launch', '"launch"']
        expect([query, messages.length]).toEqual([query, finds.includes(query) ? 1 : 0])
      }
    })

    test('any text may be searched for', async () => {
      const log = await logWith(['a b c'])
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (query) => {
          await log.messages.search(query, { limit: 10 })
        }),
        { seed, numRuns: 300 },
      )
    })

    test('keeps in step with edits and deletions', async () => {
      const log = await logWith(['the first text', 'the second text'])
      await log.append([update('x', '', { messages: [archived('chat/a', 1, 'an edited text')] })])
      await log.append([update('x', '', { messages: [archived('chat/a', 2, '', { deletedAt: 5 })] })])
      expect(await found(log, 'first')).toEqual([])
      expect(await found(log, 'second')).toEqual([])
      expect(await found(log, 'edited text')).toEqual([1])
    })

    test('goes on where it ended, in one room or in all', async () => {
      const log = await logWith(Array.from({ length: 30 }, (_, index) => `word ${index}`))
      const others = Array.from({ length: 30 }, (_, index) => archived('chat/b', index + 1, `word ${index}`))
      await log.append([update('y', '', { messages: others })])
      const all: string[] = []
      for (let before: number | undefined; ; ) {
        const page = await log.messages.search('wor', { limit: 7, ...(before === undefined ? {} : { before }) })
        expect(page.messages.length).toBeLessThanOrEqual(7)
        all.push(...page.messages.map(({ room, seq }) => `${room} ${seq}`))
        before = page.next
        if (before === undefined) break
      }
      const room = (name: string) => Array.from({ length: 30 }, (_, index) => `${name} ${30 - index}`)
      expect(all).toEqual([...room('chat/b'), ...room('chat/a')])
      const inRoom = await log.messages.search('word', { room: 'chat/a', limit: 100 })
      expect(inRoom.messages.map(({ room, seq }) => `${room} ${seq}`)).toEqual(room('chat/a'))
      expect(await log.messages.search('word', { room: 'chat/c', limit: 100 })).toEqual({
        messages: [],
        next: undefined,
      })
    })

    test('looks at a bounded number of messages, and says where to go on', async () => {
      const log = await logWith(['word'], 'chat/old')
      const messages = Array.from({ length: 6_000 }, (_, index) => archived('chat/a', index + 1, 'word'))
      await log.append([update('y', '', { messages })])
      const first = await log.messages.search('word', { room: 'chat/old', limit: 1 })
      expect(first.messages).toEqual([])
      if (first.next === undefined) expect.unreachable()
      const second = await log.messages.search('word', { room: 'chat/old', limit: 1, before: first.next })
      expect(second.messages.map(({ room }) => room)).toEqual(['chat/old'])
    })
  })
}
