import * as Y from 'yjs'
import type { Place } from '../../model/anchors.ts'
import { EditError } from './edits.ts'
import { checkDepth } from './limits.ts'

/** Something in a text that is no letter. */
const OBJECT = '\ufffc'

interface Run {
  /** In the text. */
  readonly from: number
  readonly to: number
  readonly type: Y.Text
}

/** From one letter of the text to before another one. */
export interface TextRange {
  readonly from: number
  readonly to: number
}

/** What a root type shows, a text block a line, without formats, and where in its Yjs types each letter stands. */
export class TextPlaces {
  #text = ''
  readonly #runs: Run[] = []
  /** Of each element, where in the text its children begin, and where the last one ends. */
  readonly #children = new Map<Place['type'], number[]>()
  /** Of each child of the root, its runs. */
  readonly #blocks: { readonly first: number; readonly last: number }[] = []
  #isLineOver = false

  /** @throws {FormatError} `format/too-deep` */
  constructor(root: Y.XmlFragment | Y.Text) {
    if (root instanceof Y.Text) this.#readText(root)
    else this.#readChildren(root, 1)
  }

  get text(): string {
    return this.#text
  }

  /** Where a text stands that is there once, in one block or anywhere. @throws {EditError} */
  find(text: string, block?: number): TextRange {
    const { from, to } = block === undefined ? { from: 0, to: this.#text.length } : this.block(block)
    const at = this.#text.indexOf(text, from)
    const words = JSON.stringify(text.slice(0, 80))
    if (at === -1 || at + text.length > to)
      throw new EditError('edit/not-found', `${words} is not in the text as it is shown: read it again`)
    const next = this.#text.indexOf(text, at + 1)
    if (next !== -1 && next + text.length <= to)
      throw new EditError('edit/ambiguous', `${words} is there several times: find more around it, or name its block`)
    return { from: at, to: at + text.length }
  }

  /** All that a child of the root holds. @throws {EditError} where there is none, or none with a text */
  block(number: number): TextRange {
    const block = this.#blocks[number]
    const [first, last] = [this.#runs[block?.first ?? -1], this.#runs[block?.last ?? -1]]
    if (first !== undefined && last !== undefined) return { from: first.from, to: last.to }
    const problem = block === undefined ? `the document has ${this.#blocks.length}` : 'it holds no text'
    throw new EditError('edit/no-such-block', `there is no block ${number} with a text: ${problem}`)
  }

  /** Where a range begins and ends in the Yjs types; undefined for what holds no letter. */
  placesOf({ from, to }: TextRange): { readonly start: Place; readonly end: Place } | undefined {
    const first = this.#runs.find((run) => run.to > from && run.from < to)
    const last = this.#runs.findLast((run) => run.from < to && run.to > from)
    if (first === undefined || last === undefined) return undefined
    const start = { type: first.type, index: Math.max(from, first.from) - first.from }
    return { start, end: { type: last.type, index: Math.min(to, last.to) - last.from } }
  }

  /** Where in the text a place is; undefined for one elsewhere. */
  offsetOf({ type, index }: Place): number | undefined {
    const run = this.#runs.find((other) => other.type === type)
    if (run !== undefined) return Math.min(run.from + index, run.to)
    return this.#children.get(type)?.[index]
  }

  #readChildren(parent: Y.XmlFragment, depth: number): void {
    checkDepth(depth)
    const offsets: number[] = []
    this.#children.set(parent, offsets)
    for (const child of parent.toArray()) {
      offsets.push(this.#text.length)
      const first = this.#runs.length
      if (child instanceof Y.XmlText) this.#readText(child)
      else {
        this.#isLineOver = true
        if (child instanceof Y.XmlElement) this.#readChildren(child, depth + 1)
        this.#isLineOver = true
      }
      if (depth === 1) this.#blocks.push({ first, last: this.#runs.length - 1 })
    }
    offsets.push(this.#text.length)
  }

  #readText(type: Y.Text): void {
    const parts: { insert?: unknown }[] = type.toDelta()
    const text = parts.map(({ insert }) => (typeof insert === 'string' ? insert : OBJECT)).join('')
    if (text === '') return
    if (this.#isLineOver && this.#text !== '') this.#text += '\n'
    this.#isLineOver = false
    const from = this.#text.length
    this.#text += text
    this.#runs.push({ from, to: this.#text.length, type })
  }
}
