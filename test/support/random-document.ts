import * as Y from 'yjs'
import type { LogRow } from '../../persistence/update-log.ts'
import { applyUpdate } from '../../server/documents/apply-update.ts'
import type { Random } from './random.ts'

/** Each character typed is another one, so that it tells who typed it. */
const FIRST_CHARACTER = 0x4e00

/** A document with roots of every kind, made by several people at once, as rows of the log. */
export interface RandomDocument {
  readonly rows: readonly LogRow[]
  /** Which row brought each character of the text `text`, and which one deleted it. */
  readonly inserted: ReadonlyMap<string, LogRow>
  readonly deleted: ReadonlyMap<string, LogRow>
}

/**
 * Three people edit and get each other's edits late. Some edits are sent by somebody else than who made them, as relays
 * do, and count as theirs.
 */
export function makeDocument(random: Random, edits: number): RandomDocument {
  const server = new Y.Doc()
  const rows: LogRow[] = []
  const inserted = new Map<string, LogRow>()
  const deleted = new Map<string, LogRow>()
  let seen = ''
  const people = [1, 2, 3].map((client) => {
    const doc = openRoots(new Y.Doc())
    doc.clientID = client
    const unsent: Uint8Array[] = []
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'server') unsent.push(update)
    })
    return { user: `user ${client}`, doc, unsent, heard: 0 }
  })
  let next = FIRST_CHARACTER
  const typed = () => Array.from({ length: 1 + random.int(3) }, () => String.fromCharCode(next++)).join('')

  function send(author: string, update: Uint8Array): void {
    const applied = applyUpdate(server, update, author, false)
    if (applied === undefined) return
    const row = { position: rows.length + 1, at: 1_000 * rows.length, author, data: applied.stored }
    rows.push(row)
    const text = rootsAt(rows, rows.length).getText('text').toString()
    for (const character of text) if (!seen.includes(character)) inserted.set(character, row)
    for (const character of seen) if (!text.includes(character)) deleted.set(character, row)
    seen = text
  }

  for (let edit = 0; edit < edits; edit++) {
    const { doc } = random.pick(people)
    doc.transact(() => editSomewhere(doc, random, typed))
    for (const { user, unsent } of people) {
      if (random.chance(0.5)) continue
      for (const update of unsent.splice(0)) send(random.chance(0.8) ? user : random.pick(people).user, update)
    }
    for (const person of people) {
      if (random.chance(0.6)) continue
      for (const { data } of rows.slice(person.heard)) Y.applyUpdate(person.doc, data, 'server')
      person.heard = rows.length
    }
  }
  return { rows, inserted, deleted }
}

/** The document after so many rows. */
export function rootsAt(rows: readonly LogRow[], position: number): Y.Doc {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const { data } of rows.slice(0, position)) Y.applyUpdate(doc, data)
  })
  return openRoots(doc)
}

function openRoots(doc: Y.Doc): Y.Doc {
  doc.getText('text')
  doc.getXmlFragment('xml')
  doc.getMap('map')
  doc.getArray('array')
  return doc
}

function editSomewhere(doc: Y.Doc, random: Random, typed: () => string): void {
  random.pick([
    () => editText(doc.getText('text'), random, typed),
    () => editXml(doc.getXmlFragment('xml'), random, typed),
    () => editXml(doc.getXmlFragment('xml'), random, typed),
    () => editMap(doc.getMap('map'), random),
    () => editArray(doc.getArray('array'), random),
  ])()
}

function editText(text: Y.Text, random: Random, typed: () => string): void {
  const start = random.int(text.length + 1)
  const length = Math.min(1 + random.int(4), text.length - start)
  const kind = random.int(4)
  if (kind < 2 || length === 0) text.insert(start, typed())
  else if (kind === 2) text.delete(start, length)
  else text.format(start, length, { [random.pick(['bold', 'link'])]: random.pick([true, null]) })
}

function editXml(parent: Y.XmlFragment, random: Random, typed: () => string): void {
  const children = parent.toArray()
  const kind = random.int(5)
  if (children.length === 0 || kind === 0) {
    const child = random.chance(0.5) ? new Y.XmlText(typed()) : new Y.XmlElement(random.pick(['paragraph', 'list']))
    parent.insert(random.int(children.length + 1), [child])
    return
  }
  if (kind === 1) {
    parent.delete(random.int(children.length), 1)
    return
  }
  if (kind === 2 && parent instanceof Y.XmlElement) {
    const key = random.pick(['level', 'align'])
    if (random.chance(0.3)) parent.removeAttribute(key)
    else parent.setAttribute(key, String(random.int(9)))
    return
  }
  const child = random.pick(children)
  if (child instanceof Y.XmlText) editText(child, random, typed)
  else if (child instanceof Y.XmlElement) editXml(child, random, typed)
}

function editMap(map: Y.Map<unknown>, random: Random): void {
  const key = random.pick(['a', 'b', 'c'])
  const value = map.get(key)
  const kind = random.int(5)
  if (value instanceof Y.Map && kind > 1) editMap(value, random)
  else if (value instanceof Y.Array && kind > 1) editArray(value, random)
  else if (kind === 0) map.delete(key)
  else map.set(key, random.pick([() => random.int(99), () => new Y.Map(), () => new Y.Array()])())
}

function editArray(array: Y.Array<unknown>, random: Random): void {
  const index = random.int(array.length + 1)
  const value = index < array.length ? array.get(index) : undefined
  const kind = random.int(4)
  if (value instanceof Y.Map && kind > 1) editMap(value, random)
  else if (kind === 0 && index < array.length) array.delete(index, 1)
  else array.insert(index, random.pick([() => [random.int(99), 'x'], () => [new Y.Map([['made', random.int(9)]])]])())
}
