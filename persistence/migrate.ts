import * as Y from 'yjs'
import { CoweaveError } from '../model/errors.ts'
import { besideOf } from './beside.ts'
import { damageOf, type StoredEvent } from './event-store.ts'
import { adminDifference, copyAdmin, notOfSource } from './migrate-admin.ts'
import type { PortableLog } from './portable-log.ts'
import type { DocumentSummary, LogRow, NewUpdate, StoredDocument } from './update-log.ts'
import { WEBHOOK_CONSUMER } from './webhook-store.ts'

const DOCUMENTS_PER_PAGE = 500
const MESSAGES_PER_PAGE = 500
const SUBSCRIPTIONS_PER_PAGE = 500
const EVENTS_PER_PAGE = 500
const SEEN_PER_PAGE = 1_000
/** A batch ends with the row that takes it over either of these. */
const BATCH_ROWS = 500
const BATCH_BYTES = 4 * 1024 * 1024

/** What a log holds. */
export interface Migrated {
  readonly documents: number
  readonly rows: number
  readonly messages: number
}

/**
 * Copies a whole log into an empty one and verifies the copy: each document's rows byte for byte, from where its history
 * begins, with their positions, times, authors and claims of client ids, its versions and what users have seen of it,
 * that both load as the same Yjs state, and each message. Snapshots are made anew. Events keep their numbers, so that
 * whoever reads them goes on where they were; consumers inside the server begin anew with what is kept. Erasures of
 * people go on with the copy. Push subscriptions come along, as far as they can be read; pushes that are still due do
 * not. So does what admins did and whom they keep from what, and webhooks with what they are still to be told of. After an
 * interruption the same call goes on where it ended. Nobody else may write to either of them.
 * @throws {CoweaveError} `migrate/not-empty` when the target holds something that the source doesn't; nothing has been
 * written then
 * @throws {CoweaveError} `migrate/differs` when the copy is not the same, as when the source has grown meanwhile
 * @throws {StorageError} as the logs
 */
export async function migrate(source: PortableLog, target: PortableLog): Promise<Migrated> {
  await refuseOthers(source, target)
  for await (const document of documentsOf(source)) await copyDocument(source, target, document)
  await copyArchive(source, target)
  await copyEvents(source, target)
  await copySubscriptions(source, target)
  await copyWebhooks(source, target)
  for (const erasure of await source.people.erasures(0)) await target.people.saveErasure(erasure)
  await copyDeletions(source, target)
  await copyAdmin(source.admin, target.admin)
  await copyUntold(source, target)
  return await verify(source, target)
}

/** Goes through all documents that the target has: each must be the beginning of the source's. */
async function refuseOthers(source: PortableLog, target: PortableLog): Promise<void> {
  for await (const { name, position } of documentsOf(target)) {
    if (!(await haveSameBase(source, target, name)))
      throw notEmpty(`the document ${name}, the history of which does not begin as the source's`)
    const { position: start } = await source.retention.historyStart(name)
    const difference = await differenceOf(start, source.read(name, start, position), target.read(name, start, position))
    if (difference !== undefined)
      throw notEmpty(`the document ${name}, which differs from the source's at ${difference}`)
    const versions = (await source.versions.list(name)).map((version) => JSON.stringify(version))
    const other = (await target.versions.list(name)).find((version) => !versions.includes(JSON.stringify(version)))
    if (other !== undefined) throw notEmpty(`the version ${other.id} of ${name}, which is not the source's`)
    for await (const seen of seenIn(target, name)) {
      if (!same(seen, await source.seen.find(name, seen.user)))
        throw notEmpty(`what ${seen.user} has seen of ${name}, which is not the source's`)
    }
  }
  for await (const message of archiveOf(target)) {
    const { room, seq, id, json } = message
    const found = await source.messages.find(room, id)
    if (found?.json !== json) throw notEmpty(`the message ${seq} of ${room}, which is not the source's`)
  }
  for await (const event of eventsOf(target)) {
    const [found] = await source.events.read({ after: event.number - 1, limit: 1 })
    if (!same(event, found)) throw notEmpty(`the event ${event.number}, which is not the source's`)
  }
  const other = await notOfSource(source.admin, target.admin)
  if (other !== undefined) throw notEmpty(`${other}, which is not the source's`)
}

async function copyDocument(source: PortableLog, target: PortableLog, summary: DocumentSummary): Promise<void> {
  const { name: document, createdAt, updatedAt } = summary
  // A deleted one takes nothing more: it was copied whole, since deletions are copied last.
  const [gone] = await target.documents({ prefix: document, limit: 1, deleted: true })
  if (gone?.name === document) return
  const [first] = await target.documents({ prefix: document, limit: 1 })
  const allClaims = await source.claims(document)
  const epoch = await source.epoch(document)
  let position = first?.name === document ? first.position : 0
  const base = position === 0 ? await source.retention.historyBase(document) : undefined
  if (base !== undefined) {
    position = base.position
    const early = allClaims.filter((claim) => claim.position <= position)
    const restored = { name: document, createdAt, updatedAt, base, epoch: epoch <= position ? epoch : 0 }
    await target.restore.base({ ...restored, claims: early })
  }
  const claims = Map.groupBy(allClaims, (claim) => claim.position)
  let batch: NewUpdate[] = []
  let bytes = 0
  for await (const { position: at, epoch: _epoch, ...row } of source.read(document, position)) {
    const clients = (claims.get(at) ?? []).map(({ client }) => client)
    batch.push({ document, ...row, clients, epoch: at > epoch ? epoch : 0, resets: at === epoch })
    bytes += row.data.length
    if (batch.length < BATCH_ROWS && bytes < BATCH_BYTES) continue
    await target.append(batch)
    batch = []
    bytes = 0
  }
  if (batch.length > 0) await target.append(batch)
  for (const version of await source.versions.list(document)) await target.versions.add(document, version)
  for await (const page of pagesOfSeen(source, document)) await target.seen.raise(document, page)
}

/** A document's deletion is that of the chat beside it, too. */
async function copyDeletions(source: PortableLog, target: PortableLog): Promise<void> {
  for await (const { name, deleted } of documentsOf(source)) {
    if (deleted === undefined || besideOf(name) !== undefined) continue
    await target.delete(name, deleted)
    if (deleted.isErased) await target.erase(name)
  }
}

async function copyArchive(source: PortableLog, target: PortableLog): Promise<void> {
  // From the beginning, also after an interruption: what is there already stays in its place.
  for (let after: number | undefined = 0; after !== undefined; ) {
    const { messages, next } = await source.messages.all({ after, limit: MESSAGES_PER_PAGE })
    await target.restore.messages(messages)
    after = next
  }
}

async function copyEvents(source: PortableLog, target: PortableLog): Promise<void> {
  const last = await source.events.last()
  for await (const page of pagesOfEvents(source)) await target.restore.events(page, last)
}

/** Behind everything else, which was noted as it was copied. */
async function copyUntold(source: PortableLog, target: PortableLog): Promise<void> {
  const all = Number.MAX_SAFE_INTEGER
  await target.restore.untold(await source.events.untold({ quietSince: all, waitingSince: all, limit: all }))
}

/** With what they are still to be told of. Over there, the consumer of events begins anew: it passes over what was. */
async function copyWebhooks(source: PortableLog, target: PortableLog): Promise<void> {
  const passed = await source.events.passed(WEBHOOK_CONSUMER)
  for (const webhook of await source.webhooks.list()) {
    await target.webhooks.put({ ...webhook, after: Math.max(webhook.after, passed) }, { max: Number.MAX_SAFE_INTEGER })
    for (let after = 0; ; ) {
      const page = await source.webhooks.deliveries(webhook.id, { after, limit: EVENTS_PER_PAGE })
      const [end] = page.slice(-1)
      if (end === undefined) break
      await target.restore.deliveries(page)
      after = end.event
    }
  }
}

/** Not verified: they change without a trace in the log, and browsers tell them anew. */
async function copySubscriptions(source: PortableLog, target: PortableLog): Promise<void> {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const { subscriptions, next } = await source.pushes.subscriptions({ after, limit: SUBSCRIPTIONS_PER_PAGE })
    for (const each of subscriptions) await target.pushes.subscribe(each, { max: Number.MAX_SAFE_INTEGER })
    after = next
  }
}

async function verify(source: PortableLog, target: PortableLog): Promise<Migrated> {
  const [documents, copies] = [documentsOf(source), documentsOf(target)]
  const counts = { documents: 0, rows: 0, messages: 0 }
  for await (const document of documents) {
    const { name, position } = document
    const { value: copy } = await copies.next()
    if (!same(document, copy))
      throw differs(`the document ${name}: it is ${shown(document)}, and copied ${shown(copy)}`)
    if (!(await haveSameBase(source, target, name))) throw differs(`the beginning of the history of ${name}`)
    const { position: start } = await source.retention.historyStart(name)
    const row = await differenceOf(start, source.read(name, start), target.read(name, start))
    if (row !== undefined) throw differs(`the document ${name} at ${row}`)
    if ((await source.epoch(name)) !== (await target.epoch(name))) throw differs(`where the content of ${name} begins`)
    if (!same(await claimsOf(source, name), await claimsOf(target, name))) throw differs(`the client ids of ${name}`)
    if (!same(await source.versions.list(name), await target.versions.list(name)))
      throw differs(`the versions of ${name}`)
    if (!same(await Array.fromAsync(seenIn(source, name)), await Array.fromAsync(seenIn(target, name))))
      throw differs(`what users have seen of ${name}`)
    if (stateOf(await source.load(name)) !== stateOf(await target.load(name))) throw differs(`the state of ${name}`)
    counts.documents += 1
    counts.rows += position - start
  }
  const { value: tooMany } = await copies.next()
  if (tooMany !== undefined) throw differs(`the document ${tooMany.name}, which the source does not have`)
  const archive = archiveOf(target)
  for await (const message of archiveOf(source)) {
    const { value: copy } = await archive.next()
    if (!same(message, copy)) throw differs(`the message ${message.seq} of ${message.room}`)
    counts.messages += 1
  }
  const copiedEvents = eventsOf(target)
  for await (const event of eventsOf(source)) {
    const { value: copy } = await copiedEvents.next()
    if (!same(event, copy)) throw differs(`the event ${event.number}`)
  }
  const difference = await adminDifference(source.admin, target.admin)
  if (difference !== undefined) throw differs(difference)
  return counts
}

/** Deleted ones too, but not those of chats that are being erased. */
async function* documentsOf(log: PortableLog): AsyncGenerator<DocumentSummary, undefined> {
  for (const deleted of [false, true]) {
    for (let after = ''; ; ) {
      const page = await log.documents({ after, limit: DOCUMENTS_PER_PAGE, deleted })
      for (const document of page) {
        if (!document.deleted?.isErased || besideOf(document.name) === undefined) yield document
      }
      const last = page.at(-1)
      if (last === undefined) break
      after = last.name
    }
  }
}

async function* archiveOf(log: PortableLog) {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const { messages, next } = await log.messages.all({ after, limit: MESSAGES_PER_PAGE })
    yield* messages
    after = next
  }
}

async function* eventsOf(log: PortableLog): AsyncGenerator<StoredEvent, undefined> {
  for await (const page of pagesOfEvents(log)) yield* page
}

/** The last one is empty. @throws {StorageError} `storage/corrupt` for a damaged event */
async function* pagesOfEvents(log: PortableLog): AsyncGenerator<readonly StoredEvent[], undefined> {
  for (let after = 0; ; ) {
    const page = await log.events.read({ after, limit: EVENTS_PER_PAGE })
    const damage = page.map(damageOf).find((found) => found !== undefined)
    if (damage !== undefined) throw damage
    yield page
    const [end] = page.slice(-1)
    if (end === undefined) return
    after = end.number
  }
}

async function* pagesOfSeen(log: PortableLog, document: string) {
  for (let after: string | undefined = ''; after !== undefined; ) {
    const page = await log.seen.list(document, { after, limit: SEEN_PER_PAGE })
    yield page
    after = page.at(-1)?.user
  }
}

async function* seenIn(log: PortableLog, document: string) {
  for await (const page of pagesOfSeen(log, document)) yield* page
}

/** Whether both have forgotten the same rows of a document, if any. */
async function haveSameBase(source: PortableLog, target: PortableLog, document: string): Promise<boolean> {
  const [base, copy] = [await source.retention.historyBase(document), await target.retention.historyBase(document)]
  if (base === undefined || copy === undefined) return base === copy
  const [{ state, ...start }, { state: copied, ...copiedStart }] = [base, copy]
  return same(start, copiedStart) && Buffer.compare(state, copied) === 0
}

/** The position of the first row above `after` that is not the same in both, undefined when all are. */
async function differenceOf(
  after: number,
  rows: AsyncIterable<LogRow>,
  copies: AsyncIterable<LogRow>,
): Promise<number | undefined> {
  const others = copies[Symbol.asyncIterator]()
  let last = after
  for await (const row of rows) {
    const { value: copy, done } = await others.next()
    if (done || !sameRow(row, copy)) return row.position
    last = row.position
  }
  const { done } = await others.next()
  return done ? undefined : last + 1
}

function sameRow(row: LogRow, copy: LogRow): boolean {
  return (
    row.position === copy.position &&
    row.at === copy.at &&
    row.author === copy.author &&
    Buffer.compare(row.data, copy.data) === 0
  )
}

async function claimsOf(log: PortableLog, document: string) {
  return [...(await log.claims(document))].sort((left, right) => left.client - right.client)
}

/** What a document's parts make, comparable; undefined for what Yjs can't read. */
function stateOf({ parts }: StoredDocument): string | undefined {
  const doc = new Y.Doc()
  try {
    doc.transact(() => {
      for (const part of parts) Y.applyUpdate(doc, part)
    })
    return Buffer.from(Y.encodeSnapshot(Y.snapshot(doc))).toString('base64')
  } catch {
    return undefined // the rows are the same, so that it can't be read over there either
  } finally {
    doc.destroy()
  }
}

function same(left: object, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

function shown(document: DocumentSummary | undefined): string {
  return document === undefined ? 'missing' : `${document.name} with ${document.position} rows`
}

function notEmpty(what: string): CoweaveError {
  const message =
    `the target holds ${what}. Nothing was written. Give an empty database, or one that an interrupted migration ` +
    'from the same source has left'
  return new CoweaveError('migrate/not-empty', message)
}

function differs(what: string): CoweaveError {
  const message = `the copy differs in ${what}. Stop every server that writes to the source or the target and run it again`
  return new CoweaveError('migrate/differs', message)
}
