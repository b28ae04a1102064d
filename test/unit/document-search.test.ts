import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as Y from 'yjs'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { Access } from '../../server/access/access.ts'
import { parseGrant } from '../../server/access/grants.ts'
import { Tokens } from '../../server/access/tokens.ts'
import { readConfig } from '../../server/config.ts'
import { changeContent } from '../../server/formats/formats.ts'
import { allText } from '../../server/search/all-text.ts'
import { DocumentSearch, prefixesOf } from '../../server/search/document-search.ts'
import { excerptOf } from '../../server/search/excerpt.ts'
import { searchThreads } from '../../server/search/search-threads.ts'
import { restOf } from '../../server/search/text-indexer.ts'
import { everything } from '../formats/sample.ts'
import { makeFolder } from '../persistence/folder.ts'
import { seed, update } from '../persistence/updates.ts'

const shown = (text: string, query: string) =>
  excerptOf(text, query)
    .map((part) => (part.marked ? `[${part.text}]` : part.text))
    .join('')

test('an excerpt is where the words stand closest, with each of them marked', () => {
  expect(shown('Äpfel, apfelig und Birnen', 'birnen APFEL')).toBe('[Äpfel], [apfelig] und [Birnen]')
  expect(shown('a well-known word', 'well-known')).toBe('a [well]-[known] word')
  expect(shown('nothing of it', 'xylophone')).toBe('nothing of it')
  expect(shown('', 'xylophone')).toBe('')
  const far = 'and so on '.repeat(100)
  const text = `one ${far}here are one and two together ${far}`
  expect(shown(text, 'one two')).toMatch(/^(and|so|on) .* here are \[one\] and \[two\] together.{40,130}$/)
  expect(shown('x'.repeat(1_000), 'x')).toMatch(/^\[x{100,200}\]$/)
})

test('an excerpt is a piece of the text, of whole characters, whatever that is', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 600 })
  fc.assert(
    fc.property(text, text, (given, query) => {
      const parts = excerptOf(given, query)
      const joined = parts.map((part) => part.text).join('')
      expect(given).toContain(joined)
      expect(joined.isWellFormed()).toBe(given.isWellFormed())
    }),
    { seed, numRuns: 300 },
  )
})

test('the text of a document is that of all its types', () => {
  const ydoc = new Y.Doc()
  ydoc.getText('code').insert(0, 'let a')
  ydoc.getText('code').insertEmbed(5, { image: 'of it' })
  const card = new Y.Map<unknown>([
    ['title', 'Milk'],
    ['done', true],
    ['more', { list: ['whole', 1] }],
  ])
  ydoc.getArray<unknown>('cards').push([card, 'loose'])
  ydoc.getMap('board').set('text', new Y.XmlText('of a board'))
  expect(allText(ydoc, 1_000).split('\n').toSorted()).toEqual(
    ['', 'Milk', 'let a', 'loose', 'of a board', 'of it', 'whole'].toSorted(),
  )
  expect(allText(ydoc, 3)).toBe('let')
  const rich = new Y.Doc()
  changeContent(rich, 'default', 'json', { content: everything })
  expect(allText(rich, 100_000)).toContain('The launch plan #1\n')
})

test('a text rests until what it costs to make it is little, and a small one less than a second', () => {
  expect([restOf(0), restOf(100_000), restOf(10_000_000)]).toEqual([700, 700, 40_000])
})

test('names are looked at that begin as the grants do', () => {
  const grants = ['notes/*', 'a/**/b', 'exact', '*/x'].map((pattern) => parseGrant(pattern, 'read'))
  expect(prefixesOf({ admin: false, grants }, '')).toEqual(['notes/', 'a/', 'exact', ''])
  expect(prefixesOf({ admin: false, grants: grants.slice(0, 3) }, 'notes/p')).toEqual(['notes/p'])
  expect(prefixesOf({ admin: false, grants: grants.slice(0, 3) }, 'e')).toEqual(['exact'])
  expect(prefixesOf({ admin: false, grants: [] }, '')).toEqual([])
  expect(prefixesOf({ admin: true, grants: [] }, 'x')).toEqual(['x'])
})

test('who searches while others do waits without the texts', async () => {
  const log = await openSqliteLog({ file: join(await makeFolder(), 'log.db') })
  const threads = searchThreads((error) => expect.unreachable(error.message))
  const gate = Promise.withResolvers<void>()
  onTestFinished(async () => {
    gate.resolve()
    await Promise.all([log.close(), threads.close()])
  })
  await log.append([update('x', 'any')])
  const claim = await log.texts.claim('x', 1_000)
  const { key } = claim.kind === 'claimed' ? claim : expect.unreachable(claim.kind)
  await log.texts.put({ key, position: 1, text: new TextEncoder().encode('buy milk'), restMs: 0 })
  const access = new Access(new Tokens(readConfig({})))
  const search = new DocumentSearch({ texts: log.texts, threads, access, isOn: true })
  const principal = {
    user: 'ann',
    name: 'Ann',
    grants: [],
    expires: undefined,
    admin: true,
    relay: false,
    agent: false,
  }
  const [found, texts] = [vi.spyOn(log.texts, 'search'), vi.spyOn(log.texts, 'texts')]
  const busy = [1, 2].map(() => threads.use('bob', () => gate.promise))
  const hits = search.find(principal, { query: 'milk', prefix: '', before: undefined, limit: 100 })
  expect(await found.mock.results[0]?.value).toHaveLength(1)
  await setImmediate()
  expect(texts).not.toHaveBeenCalled()
  gate.resolve()
  expect((await hits).documents).toMatchObject([{ name: 'x', excerpt: [{ text: 'buy ' }, { text: 'milk' }] }])
  await Promise.all(busy)
})
