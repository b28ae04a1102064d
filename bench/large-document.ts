import { createHash } from 'node:crypto'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import * as Y from 'yjs'
import { openLog } from '../persistence/open-log.ts'
import { parameters } from './parameters.ts'

const { clients, tail } = parameters.large
/** Edits that are one row of the log, but for those of the tail: what a snapshot holds doesn't depend on it. */
const EDITS_PER_ROW = 20
const APPENDED_TOGETHER = 500
const WORDS = ['collaborate ', 'on ', 'a ', 'large ', 'document, ', 'as ', 'people ', 'do. ']

/** A large document in the storage of both servers. */
export interface WrittenDocument {
  readonly name: string
  /** Of its encoded state. */
  readonly bytes: number
  readonly hash: string
  /** What the log has behind its last snapshot, and how many bytes a row takes: see compactionBytes(). */
  readonly rowBytes: number
}

/**
 * Writes a document of so many bytes into the folders of a Coweave and of a stock server: paragraphs that several people
 * wrote, a few characters at a time, at many places. In the log it ends in a tail of single edits, as if it were in use.
 */
export async function writeLargeDocument(folder: string, name: string, bytes: number): Promise<WrittenDocument> {
  const ydoc = new Y.Doc()
  const log = await openLog({
    url: `sqlite:${join(folder, 'coweave.db')}`,
    create: true,
    onProblem: (error) => {
      throw error
    },
  })
  let batch: Uint8Array[] = []
  const flush = async () => {
    const taken = batch
    batch = []
    await log.append(taken.map((data) => ({ document: name, at: Date.now(), author: 'bench', data, clients: [] })))
  }
  ydoc.on('update', (update: Uint8Array) => batch.push(update))
  const texts: Y.XmlText[] = []
  while (Y.encodeStateAsUpdate(ydoc).length < bytes) {
    for (let row = 0; row < APPENDED_TOGETHER; row += 1) {
      ydoc.clientID = 1_000_000_000 + (row % clients)
      ydoc.transact(() => {
        for (let count = 0; count < EDITS_PER_ROW; count += 1) editSomewhere(ydoc, texts)
      })
    }
    await flush()
  }
  await log.compact(name)
  for (let edit = 0; edit < tail; edit += 1) {
    ydoc.clientID = 1_000_000_000 + (edit % clients)
    editSomewhere(ydoc, texts)
  }
  const rowBytes = batch.reduce((sum, { length }) => sum + length, 0) / batch.length
  await flush()
  await log.close()

  const state = Y.encodeStateAsUpdate(ydoc)
  const db = new Database(join(folder, 'stock.db'))
  db.exec('CREATE TABLE IF NOT EXISTS documents (name varchar(255) NOT NULL, data blob NOT NULL, UNIQUE(name))')
  db.prepare('INSERT INTO documents (name, data) VALUES (?, ?)').run(name, state)
  db.close()
  return { name, bytes: state.length, hash: hashOf(ydoc), rowBytes }
}

/**
 * Writes a few characters somewhere, or deletes some; now and then begins a paragraph. `texts` are those of all paragraphs,
 * which Yjs would have to count anew for each edit.
 */
export function editSomewhere(ydoc: Y.Doc, texts: Y.XmlText[]): void {
  if (texts.length === 0 || Math.random() < 0.01) {
    const [paragraph, text] = [new Y.XmlElement('paragraph'), new Y.XmlText()]
    paragraph.insert(0, [text])
    ydoc.getXmlFragment('default').push([paragraph])
    texts.push(text)
  }
  // Of the last ones: people work on one chapter after the other.
  const text = texts.at(-1 - Math.floor(Math.random() * Math.min(50, texts.length)))
  if (text === undefined) return
  if (Math.random() < 0.1 && text.length > 10) text.delete(Math.floor(Math.random() * (text.length - 5)), 5)
  else text.insert(Math.floor(Math.random() * (text.length + 1)), WORDS[Math.floor(Math.random() * WORDS.length)] ?? '')
}

/** The text of each paragraph. */
export function textsOf(ydoc: Y.Doc): Y.XmlText[] {
  return ydoc
    .getXmlFragment('default')
    .toArray()
    .flatMap((paragraph) => (paragraph instanceof Y.XmlElement ? paragraph.toArray() : []))
    .filter((text) => text instanceof Y.XmlText)
}

/** What it shows, in short. */
export function hashOf(ydoc: Y.Doc): string {
  return createHash('sha256').update(ydoc.getXmlFragment('default').toString()).digest('hex')
}
