import { describe, expect, onTestFinished, test } from 'vitest'
import type { NewText, TextIndex, TextKey } from '../../persistence/text-index.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { makeFolder } from './folder.ts'
import { archived, update } from './updates.ts'

const HOUR = 3_600_000
const FOR_MS = 60_000
const ALL = { prefixes: [''], limit: 100 }

/** What every log promises whose documents' texts can be searched. */
export function describeTextIndex(name: string, open: (folder: string) => Promise<UpdateLog>): void {
  async function openIn(folder: string): Promise<UpdateLog> {
    const log = await open(folder)
    onTestFinished(() => log.close())
    return log
  }

  /** A log with documents, each of one update, that say what is given. */
  async function logWith(texts: Readonly<Record<string, string>>): Promise<UpdateLog> {
    const log = await openIn(await makeFolder())
    await log.append(Object.keys(texts).map((document) => update(document, '')))
    for (const [document, text] of Object.entries(texts)) await index(log.texts, document, 1, text)
    return log
  }

  const found = async (log: UpdateLog, query: string, prefixes: readonly string[] = ['']) =>
    (await log.texts.search(query, { ...ALL, prefixes })).map((document) => document.name)

  describe(`${name}: texts of documents`, () => {
    test('are found by all words, the last one as a prefix, whatever the case and accents, the best first', async () => {
      const log = await logWith({
        once: `launch ${'and something else '.repeat(60)}`,
        often: 'The launch: launch, launching, launched',
        accents: 'Élan vital',
        compound: 'a well-known word',
      })
      expect(await found(log, 'launch')).toEqual(['often', 'once'])
      expect(await found(log, 'LAUNCH some')).toEqual(['once'])
      expect(await found(log, 'something lau')).toEqual(['once'])
      expect(await found(log, 'elan VITÁL')).toEqual(['accents'])
      expect(await found(log, 'well-known')).toEqual(['compound'])
      expect(await found(log, 'known-well')).toEqual([])
      for (const none of ['aunch', 'launch OR', '" NOT "', ' \t\n'])
        expect([none, await found(log, none)]).toEqual([none, []])
      expect(await found(log, 'launch', ['on', 'acc'])).toEqual(['once'])
      expect(await found(log, 'launch', [])).toEqual([])
    })

    test('are found page by page, with their texts', async () => {
      const texts = Object.fromEntries(
        Array.from({ length: 7 }, (_, nth) => [`d${nth}`, `word ${'x '.repeat(nth % 3)}`]),
      )
      const log = await logWith(texts)
      const all = await log.texts.search('word', ALL)
      expect(all.map((document) => document.name).toSorted()).toEqual(Object.keys(texts))
      const [first, ...rest] = [await log.texts.search('word', { ...ALL, limit: 3 })]
      const second = await log.texts.search('word', { ...ALL, before: first?.at(-1), limit: 100 })
      expect([...(first ?? []), ...rest.flat(), ...second]).toEqual(all)
      const stored = await log.texts.texts([...all.map(({ id }) => id), 1_000_000])
      const shown = stored.map((text) => Buffer.from(text).toString())
      expect(shown).toEqual([...all.map((document) => texts[document.name]), ''])
    })

    test('are claimed with how long they were free, whoever made them before', async () => {
      const folder = await makeFolder()
      const [one, other] = [await openIn(folder), await openIn(folder)]
      await one.append([update('a', '1')])
      const first = await one.texts.claim('a', FOR_MS)
      expect(first).toMatchObject({ kind: 'claimed' })
      expect('freeForMs' in first && first.freeForMs).toBeGreaterThan(24 * HOUR)
      await one.texts.put({ ...textOf(keyIn(first), 1, 'one'), restMs: 0 })
      await other.append([update('a', '2')])
      const next = await other.texts.claim('a', FOR_MS)
      expect(next).toMatchObject({ kind: 'claimed' })
      expect('freeForMs' in next && next.freeForMs).toBeLessThan(HOUR)
    })

    test('are made by one at a time, and not again while they rest', async () => {
      const folder = await makeFolder()
      const [one, other] = [await openIn(folder), await openIn(folder)]
      expect(await one.texts.claim('a', FOR_MS)).toEqual({ kind: 'current' })
      await one.append([update('a', '1')])
      const claims = await Promise.all([one, other, one, other].map((log) => log.texts.claim('a', FOR_MS)))
      expect(claims.map(({ kind }) => kind).toSorted()).toEqual(['claimed', 'wait', 'wait', 'wait'])
      const waiting = claims.find((claim) => claim.kind === 'wait')
      expect(waiting?.ms).toBeGreaterThan(0)
      expect(waiting?.ms).toBeLessThanOrEqual(FOR_MS)
      const key = keyIn(claims.find((claim) => claim.kind === 'claimed'))
      await one.texts.put({ ...textOf(key, 1, 'one'), restMs: HOUR / 2 })
      expect(await other.texts.claim('a', FOR_MS)).toEqual({ kind: 'current' })
      await other.append([update('a', '2')])
      expect(await other.texts.claim('a', FOR_MS)).toMatchObject({ kind: 'wait' })
      await other.texts.put(textOf(key, 2, 'two'))
      // Whoever comes late has an older one.
      await one.texts.put(textOf(key, 1, 'late'))
      expect([await found(one, 'one'), await found(one, 'late'), await found(one, 'two')]).toEqual([[], [], ['a']])
    })

    test('that are older than the log are known, whoever wrote that, without rooms', async () => {
      const folder = await makeFolder()
      const log = await openIn(folder)
      const names = ['a', 'b', 'chats/x', 'c', 'gone', 'd']
      await log.append([...names, 'chat/a@1', 'dm/a,b@1', 'inbox/a', 'lobby/a'].map((document) => update(document, '')))
      await log.delete('gone', { at: 1, by: 'mia' })
      await index(log.texts, 'b', 1, 'text')
      const lagging = async () => {
        const documents: string[] = []
        for (let after: number | undefined = 0; after !== undefined; ) {
          const page = await log.texts.lagging({ after, limit: 2 })
          documents.push(...page.documents)
          after = page.next
        }
        return documents.toSorted()
      }
      expect(await lagging()).toEqual(['a', 'c', 'chats/x', 'd'])
      await log.append([update('b', '2')])
      // One that somebody has claimed lags until it is done.
      await log.texts.claim('a', FOR_MS)
      expect(await lagging()).toEqual(['a', 'b', 'c', 'chats/x', 'd'])
    })

    test('are thrown away to be made anew, and messages are indexed from what they say', async () => {
      const log = await logWith({ a: 'zeppelin', b: 'balloon' })
      await log.append([update('a', '', { messages: [archived('chat/a', 1, 'a kite')] })])
      expect(await log.texts.rebuild()).toBe(1)
      expect(await found(log, 'zeppelin')).toEqual([])
      expect((await log.texts.lagging({ after: 0, limit: 10 })).documents).toEqual(['a', 'b'])
      expect((await log.messages.search('kite', { limit: 10 })).messages).toHaveLength(1)
      await index(log.texts, 'b', 1, 'balloon again')
      expect(await found(log, 'balloon')).toEqual(['b'])
      expect(await log.texts.rebuild()).toBe(1)
      expect(await found(log, 'balloon')).toEqual([])
    })

    test('of deleted documents are not found, and of erased ones nothing is left', async () => {
      const log = await logWith({ a: 'zeppelin', b: 'zeppelin too' })
      await log.append([update('a', '2')])
      const claim = await log.texts.claim('a', FOR_MS)
      const key = keyIn(claim)
      const left = async () => (await log.texts.texts([key.id])).map((text) => Buffer.from(text).toString())
      expect(await left()).toEqual(['zeppelin'])
      await log.delete('a', { at: 5, by: 'mia' })
      expect(await found(log, 'zeppelin')).toEqual(['b'])
      await log.undelete('a')
      expect((await found(log, 'zeppelin')).toSorted()).toEqual(['a', 'b'])
      await log.delete('a', { at: 5, by: 'mia' })
      expect(await log.erase('a')).toBe(true)
      expect(await found(log, 'zeppelin')).toEqual(['b'])
      // Who was making it when it went, and comes when another one has its name.
      await log.texts.put(textOf(key, 2, 'zeppelin'))
      expect(await left()).toEqual([''])
      await log.free('a')
      await log.append(['1', '2'].map((text) => update('a', text, { at: 1_700_000_000_999 })))
      await log.texts.put(textOf(key, 2, 'zeppelin'))
      expect(await found(log, 'zeppelin')).toEqual(['b'])
      expect(await Array.fromAsync(log.check())).toHaveLength(3) // updates that are none, as they were made
    })
  })
}

/** Whoever encrypts has no index of words. */
export async function expectNoTexts(texts: TextIndex): Promise<void> {
  const calls = [
    texts.claim('a', FOR_MS),
    texts.put(textOf({ id: 1, createdAt: 1 }, 1, 'text')),
    texts.lagging({ after: 0, limit: 1 }),
    texts.search('text', ALL),
    texts.texts([1]),
    texts.rebuild(),
  ]
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'search/encrypted' })
}

/** Stores the text of a document, as it is at a position. */
export async function index(texts: TextIndex, document: string, position: number, text: string): Promise<void> {
  await texts.put(textOf(keyIn(await texts.claim(document, FOR_MS)), position, text))
}

function keyIn(claim: Awaited<ReturnType<TextIndex['claim']>> | undefined): TextKey {
  return claim?.kind === 'claimed' ? claim.key : expect.unreachable(`the claim is ${claim?.kind}`)
}

function textOf(key: TextKey, position: number, text: string): NewText {
  return { key, position, text: new TextEncoder().encode(text), restMs: 0 }
}
