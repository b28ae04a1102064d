import * as Y from 'yjs'
import type { Random } from '../support/random.ts'

/** So many characters are nobody's: the private use planes 15 and 16, whose characters are surrogate pairs. */
const FIRST = 0xf0000
const COUNT = 0x1fffd

/** Gives each edit a character of its own, which can be counted in the end wherever it went. */
export class Tokens {
  #next = 0

  create(): string {
    this.#next += 1
    if (this.#next > COUNT) throw new Error('all characters are used')
    return String.fromCodePoint(FIRST + this.#next)
  }
}

/** What one edit did. Deletions name the token that is gone. */
export type Edit = { readonly kind: 'added' | 'deleted'; readonly token: string }

/** One random edit of a free-form document: text by code point, maps, nested types. Never of what holds others' edits. */
export function editAtRandom(ydoc: Y.Doc, random: Random, token: string): Edit {
  const [text, entries, blocks] = [ydoc.getText('text'), ydoc.getMap('entries'), blocksOf(ydoc)]
  const added: Edit = { kind: 'added', token }
  const dice = random.int(10)
  if (dice < 2) return deleteAtRandom(text, random) ?? insert(text, random, token)
  if (dice < 5) return insert(text, random, token)
  if (dice < 6) entries.set(token, random.int(1_000))
  else if (dice < 7) {
    ydoc.transact(() => {
      // What everybody sets says nothing about losses, and must be equal in the end all the same.
      entries.set('contested', token)
      entries.set(token, new Y.Map([['by', token]]))
    })
  } else if (dice < 8 || blocks.length === 0) {
    blocks.insert(random.int(blocks.length + 1), [new Y.Map([['text', new Y.Text(token)]])])
  } else {
    const nested = random.pick(blocks.toArray()).get('text')
    if (nested instanceof Y.Text) return insert(nested, random, token)
  }
  return added
}

/** Each token in the document, as often as it is there. */
export function tokensIn(ydoc: Y.Doc): string[] {
  const texts = [
    ydoc.getText('text'),
    ...blocksOf(ydoc)
      .toArray()
      .map((block) => block.get('text')),
  ]
  const keys = [...ydoc.getMap('entries').keys()].filter((key) => key !== 'contested')
  return [...texts.flatMap((text) => [...String(text)]), ...keys].sort()
}

export function contentOf(ydoc: Y.Doc) {
  return {
    text: ydoc.getText('text').toDelta(),
    entries: ydoc.getMap('entries').toJSON(),
    blocks: blocksOf(ydoc).toJSON(),
  }
}

function blocksOf(ydoc: Y.Doc): Y.Array<Y.Map<unknown>> {
  return ydoc.getArray('blocks')
}

/** Somewhere between two code points, as editors do it: Yjs diverges where surrogate pairs are split. */
function insert(text: Y.Text, random: Random, token: string): Edit {
  text.insert(random.pick(boundaries(text)), token)
  return { kind: 'added', token }
}

function deleteAtRandom(text: Y.Text, random: Random): Edit | undefined {
  const index = random.pick(boundaries(text))
  const [token] = text.toString().slice(index)
  if (token === undefined) return undefined
  text.delete(index, token.length)
  return { kind: 'deleted', token }
}

function boundaries(text: Y.Text): number[] {
  let length = 0
  const ends = [...text.toString()].map((point) => {
    length += point.length
    return length
  })
  return [0, ...ends]
}
