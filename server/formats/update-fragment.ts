import { diffArrays } from 'diff'
import * as Y from 'yjs'
import { keyOf } from './normalize.ts'
import { pairUp } from './pair-up.ts'
import { type Attributes, type RichNode, textIn } from './rich-node.ts'
import { richSchema } from './schema.ts'
import { textDiff } from './text-diff.ts'
import {
  childUnits,
  createUnit,
  formatsOf,
  insertAll,
  isTextUnit,
  readElement,
  readText,
  setAttribute,
  type TextNode,
  type Unit,
} from './xml-fragment.ts'

export interface UpdateOptions {
  /** Whether the format that the target was read from can say this attribute of a node or mark; others are left alone. */
  carries(type: string, attribute: string): boolean
  /** What the target would be if nothing was changed, child by child; undefined for what the fragment holds. */
  readonly seen?: RichNode | undefined
}

/** Lists that differ more are compared no further. */
const MAX_EDITS = 1_000
/** How much of two texts tells whether they are alike. */
const MAX_COMPARED = 1_000

type Child = Y.XmlElement | Y.XmlText | Y.XmlHook

/**
 * Makes a fragment hold what `target` says, with as few changes as can be found: blocks that stay keep their identity,
 * words that stay keep their letters, so that carets and what others type at the same time stay where they are.
 */
export function updateFragment(fragment: Y.XmlFragment, target: RichNode, options: UpdateOptions): void {
  const update = () => updateChildren(fragment, childUnits(target), options, seenKeys(fragment, options.seen))
  if (fragment.doc === null) update()
  else fragment.doc.transact(update)
}

function updateChildren(
  parent: Y.XmlFragment,
  target: readonly Unit[],
  options: UpdateOptions,
  seen?: readonly string[],
): void {
  const children: readonly Child[] = parent.toArray()
  const [first] = children
  // The text goes and its place stays, for those who are typing there.
  if (target.length === 0 && children.length === 1 && first instanceof Y.XmlText) {
    first.delete(0, first.length)
    return
  }
  const keys = seen ?? children.map((child) => keyOf(unitOf(child)))
  let at = 0
  for (const { kept, removed, added } of gaps(keys, target.map(keyOf))) {
    at += kept
    at = replace(parent, at, children.slice(...removed), target.slice(...added), options)
  }
}

/** Makes the children `before` that begin at `at` into `after`. Returns where they end. */
function replace(
  parent: Y.XmlFragment,
  start: number,
  before: readonly Child[],
  after: readonly Unit[],
  options: UpdateOptions,
): number {
  const [oldWords, newWords] = [before.map((child) => wordsOf(unitOf(child))), after.map(wordsOf)]
  const pairs = pairUp([...before.keys()], [...after.keys()], (i, j) => {
    const [old, now] = [before[i], after[j]]
    if (old === undefined || now === undefined || !mayBecome(old, now)) return undefined
    return 0.1 + likeness(oldWords[i] ?? [], newWords[j] ?? [])
  })
  let at = start
  let [i, j] = [0, 0]
  for (const [nextOld, nextNew] of [...pairs, [before.length, after.length] as const]) {
    if (nextOld > i) parent.delete(at, nextOld - i)
    const inserted = after.slice(j, nextNew).map(createUnit)
    insertAll(parent, at, inserted)
    at += inserted.length
    const [old, now] = [before[nextOld], after[nextNew]]
    if (old !== undefined && now !== undefined) {
      updateUnit(old, now, options)
      at += 1
    }
    ;[i, j] = [nextOld + 1, nextNew + 1]
  }
  return at
}

function updateUnit(child: Child, target: Unit, options: UpdateOptions): void {
  if (isTextUnit(target)) {
    if (child instanceof Y.XmlText) updateText(child, target, options)
  } else if (child instanceof Y.XmlElement) {
    updateAttributes(child, target, options)
    updateChildren(child, childUnits(target), options)
  }
}

function updateAttributes(element: Y.XmlElement, { type, attrs = {} }: RichNode, { carries }: UpdateOptions): void {
  const current: Attributes = element.getAttributes()
  for (const name of new Set([...Object.keys(current), ...Object.keys(attrs)])) {
    const fallback = richSchema.nodes[type]?.spec.attrs?.[name]?.default
    const [before, after] = [current[name] ?? fallback ?? null, attrs[name] ?? null]
    if (!carries(type, name) || keyOf(before) === keyOf(after)) continue
    if (after === null) element.removeAttribute(name)
    else setAttribute(element, name, after)
  }
}

function updateText(text: Y.XmlText, target: readonly TextNode[], options: UpdateOptions): void {
  const before = plainOf(text)
  const after = target.map((part) => part.text).join('')
  const runs = runsOf(target)
  let shift = 0
  for (const { at, remove, insert } of textDiff(before, after)) {
    const place = at + shift
    if (remove > 0) text.delete(place, remove)
    for (const run of slice(runs, place, place + insert.length)) {
      text.insert(run.from, after.slice(run.from, run.to), run.formats)
    }
    shift += insert.length - remove
  }
  for (const run of differences(text, runs, options)) text.format(run.from, run.to - run.from, run.formats)
}

interface Run {
  readonly from: number
  readonly to: number
  readonly formats: Record<string, unknown>
}

function runsOf(texts: readonly TextNode[]): Run[] {
  let from = 0
  return texts.map(({ text, marks = [] }) => {
    const run = { from, to: from + text.length, formats: formatsOf(marks) }
    from = run.to
    return run
  })
}

function slice(runs: readonly Run[], from: number, to: number): Run[] {
  return runs
    .map((run) => ({ ...run, from: Math.max(run.from, from), to: Math.min(run.to, to) }))
    .filter((run) => run.from < run.to)
}

/** The formats to set, null for those to take away, where a text of the right letters has others than `target`. */
function differences(text: Y.XmlText, target: readonly Run[], { carries }: UpdateOptions): Run[] {
  const current: { insert?: unknown; attributes?: Record<string, unknown> }[] = text.toDelta()
  let from = 0
  return current.flatMap(({ insert, attributes = {} }) => {
    const to = from + (typeof insert === 'string' ? insert.length : 1)
    const changed = slice(target, from, to).map((run) => {
      const names = [...new Set([...Object.keys(attributes), ...Object.keys(run.formats)])]
      const others = names.filter((name) => !areSame(name, attributes[name], run.formats[name], carries))
      return { ...run, formats: Object.fromEntries(others.map((name) => [name, run.formats[name] ?? null])) }
    })
    from = to
    return changed.filter(({ formats }) => Object.keys(formats).length > 0)
  })
}

function areSame(mark: string, before: unknown, after: unknown, carries: UpdateOptions['carries']): boolean {
  if (before === undefined || after === undefined) return before === after
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) {
    return keyOf(before) === keyOf(after)
  }
  const carried = (attrs: object) =>
    Object.entries(attrs)
      .filter(([name, value]) => carries(mark, name) && value !== null)
      .sort(([one], [other]) => (one < other ? -1 : 1))
  return keyOf(Object.fromEntries(carried(before))) === keyOf(Object.fromEntries(carried(after)))
}

/** A text's letters, and one for each thing that is none. */
function plainOf(text: Y.XmlText): string {
  const parts: { insert?: unknown }[] = text.toDelta()
  return parts.map(({ insert }) => (typeof insert === 'string' ? insert : '\ufffc')).join('')
}

interface Gap {
  /** How many children before it stay. */
  readonly kept: number
  readonly removed: readonly [number, number]
  readonly added: readonly [number, number]
}

function gaps(before: readonly string[], after: readonly string[]): Gap[] {
  const changes = diffArrays([...before], [...after], { maxEditLength: MAX_EDITS })
  if (changes === undefined) return [{ kept: 0, removed: [0, before.length], added: [0, after.length] }]
  const found: Gap[] = []
  let [kept, i, j] = [0, 0, 0]
  let open: { i: number; j: number } | undefined
  const close = () => {
    if (open === undefined) return
    found.push({ kept, removed: [open.i, i], added: [open.j, j] })
    open = undefined
    kept = 0
  }
  for (const { added, removed, count } of changes) {
    if (!added && !removed) {
      close()
      kept += count
    } else {
      open ??= { i, j }
    }
    if (!added) i += count
    if (!removed) j += count
  }
  close()
  return found
}

function seenKeys(fragment: Y.XmlFragment, seen: RichNode | undefined): readonly string[] | undefined {
  const units = seen === undefined ? [] : childUnits(seen)
  return units.length === fragment.length && seen !== undefined ? units.map(keyOf) : undefined
}

function unitOf(child: Child): Unit {
  if (child instanceof Y.XmlText) return readText(child)
  return child instanceof Y.XmlElement ? readElement(child) : { type: 'yXmlHook' }
}

function mayBecome(child: Child, target: Unit): boolean {
  if (isTextUnit(target)) return child instanceof Y.XmlText
  return child instanceof Y.XmlElement && child.nodeName === target.type
}

function wordsOf(unit: Unit): string[] {
  const text = isTextUnit(unit) ? unit.map(textIn).join('') : textIn(unit)
  return text.slice(0, MAX_COMPARED).match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
}

/** From 0 to 1: how much of their words two texts share. */
function likeness(one: readonly string[], other: readonly string[]): number {
  if (one.length + other.length === 0) return 1
  const [all, others] = [new Set(one), new Set(other)]
  return (2 * all.intersection(others).size) / (all.size + others.size)
}
