import * as Y from 'yjs'
import { callsIn } from '../../model/calls.ts'
import type { ChatMessage } from '../../model/chat.ts'
import { entriesOf, lastSeenOf } from '../../model/lobby.ts'
import { inboxOf, roomOf } from '../../model/rooms.ts'
import { isKeyOf } from '../../persistence/map-keys.ts'
import type { PersonTrace } from '../../persistence/people-store.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import { SERVER } from '../documents/open-document.ts'
import { isAbout, isNamedAfter, isNamedIn, isNamedInUpdate } from './naming.ts'

const PAGE_DOCUMENTS = 500
const PAGE_MESSAGES = 100
const PAGE_SUBSCRIPTIONS = 500
const PAGE_EVENTS = 200
/** Counts up when a line changes its meaning. */
const FORMAT = 1

/** One line of an export: an object whose `kind` tells what it is. */
export type ExportLine = Readonly<Record<string, unknown>> & { readonly kind: string }

/**
 * Everything that is kept about a person, line by line, as docs/deletion.md describes. Nothing of it is gathered: however
 * much it is, memory holds a page of it.
 */
export async function* exportPerson(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  yield { kind: 'person', format: FORMAT, user, at: Date.now() }
  let lines = 1
  const parts = [documentLines, archiveLines, roomLines, inboxLines, subscriptionLines, eventLines]
  for (const part of parts) {
    for await (const line of part(log, user)) {
      lines += 1
      yield line
    }
  }
  // Whoever reads it knows by this that nothing was cut off.
  yield { kind: 'end', lines }
}

async function* documentLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  for await (const trace of log.people.traces(user)) {
    yield { kind: 'document', ...written(trace), ...(trace.clients > 0 ? { clients: trace.clients } : {}) }
    const { document } = trace
    if (trace.versions > 0) {
      for (const { author, ...version } of await log.versions.list(document)) {
        if (author === user) yield { kind: 'version', document, ...version }
      }
    }
    const seen = trace.hasSeen ? await log.seen.find(document, user) : undefined
    if (seen !== undefined) yield { kind: 'seen', document, position: seen.position, at: seen.at }
  }
}

function written({ document, updates, firstAt, lastAt }: PersonTrace) {
  return { document, updates, ...(updates > 0 ? { firstAt, lastAt } : {}) }
}

/** Chat messages that they wrote, or that name them. */
async function* archiveLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  for await (const name of roomsOf(log)) {
    const room = roomOf(name)
    if ((room?.kind !== 'chat' && room?.kind !== 'dm') || room.segment !== undefined) continue
    if (room.kind === 'dm' && isNamedAfter(user, name)) {
      yield { kind: 'direct-chat', room: name, with: room.members.find((member) => member !== user) ?? user }
    }
    for await (const message of messagesIn(log, name)) {
      if (message.author === user) yield { kind: 'message', room: name, message }
      else yield* namedIn(name, message, user)
    }
  }
}

function* namedIn(room: string, { id, seq, mentions, reactions = {} }: ChatMessage, user: string) {
  const emojis = Object.entries(reactions).filter(([key]) => isKeyOf(user, key))
  for (const [key, at] of emojis) yield { kind: 'reaction', room, id, seq, emoji: key.slice(0, -user.length - 1), at }
  if (mentions?.includes(user)) yield { kind: 'mention', room, id, seq }
}

/** Read marks and calls in the heads of rooms, and what lobbies say. */
async function* roomLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  for await (const name of roomsOf(log)) {
    const room = roomOf(name)
    if (room === undefined || room.kind === 'inbox' || room.segment !== undefined) continue
    const { parts } = await log.load(name)
    if (!parts.some((part) => isNamedInUpdate(user, part))) continue
    const doc = docOf(parts)
    if (room.kind === 'lobby') yield* lobbyLines(name, doc, user)
    else yield* headLines(name, doc, user)
    doc.destroy()
  }
}

function* lobbyLines(lobby: string, doc: Y.Doc, user: string): Generator<ExportLine> {
  const [entry, lastSeen] = [entriesOf(doc).get(user), lastSeenOf(doc).get(user)]
  if (entry !== undefined) yield { kind: 'lobby', lobby, ...entry }
  if (lastSeen !== undefined) yield { kind: 'last-seen', lobby, at: lastSeen }
}

function* headLines(room: string, doc: Y.Doc, user: string): Generator<ExportLine> {
  const seq = doc.getMap('reads').get(user)
  if (seq !== undefined) yield { kind: 'read-mark', room, seq }
  for (const call of callsIn(doc)) if (isNamedIn(user, call)) yield { kind: 'call', room, call }
}

/** All that the archive has, also what the inbox itself has no more room for; without what was dismissed. */
async function* inboxLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  for await (const notification of messagesIn(log, inboxOf(user))) {
    if (!Object.hasOwn(notification, 'dismissedAt')) yield { kind: 'notification', notification }
  }
}

async function* subscriptionLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  const inbox = inboxOf(user)
  for (let after: string | undefined = ''; after !== undefined; ) {
    const { subscriptions, next }: Awaited<ReturnType<typeof log.pushes.subscriptions>> =
      await log.pushes.subscriptions({ after, limit: PAGE_SUBSCRIPTIONS })
    // Without its keys: whoever has them can push to that browser.
    for (const { room, at, subscription } of subscriptions) {
      if (room === inbox) yield { kind: 'push-subscription', endpoint: subscription.endpoint, at }
    }
    after = next
  }
}

async function* eventLines(log: UpdateLog, user: string): AsyncGenerator<ExportLine> {
  for (let after = 0; ; ) {
    const page = await log.events.read({ after, limit: PAGE_EVENTS })
    const last = page.at(-1)
    if (last === undefined) return
    after = last.number
    for (const event of page) {
      const { id, kind, at, document, json } = event
      // In its own words, of which the kind is one.
      if (isAbout(user, event)) yield { kind: 'event', event: { id, kind, at, document, data: JSON.parse(json) } }
    }
  }
}

/** The names of all documents of rooms. */
async function* roomsOf(log: UpdateLog): AsyncGenerator<string> {
  for (const prefix of ['chat/', 'dm/', 'lobby/']) {
    for (let after = ''; ; ) {
      const page = await log.documents({ prefix, after, limit: PAGE_DOCUMENTS })
      for (const { name } of page) if (isReadableName(name)) yield name
      const last = page.at(-1)
      if (last === undefined || page.length < PAGE_DOCUMENTS) break
      after = last.name
    }
  }
}

/** The newest first. */
async function* messagesIn(log: UpdateLog, room: string): AsyncGenerator<ChatMessage> {
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const page = await log.messages.list(room, { before, limit: PAGE_MESSAGES })
    for (const { json } of page.toReversed()) yield JSON.parse(json)
    const [first] = page
    if (first === undefined || page.length < PAGE_MESSAGES) return
    before = first.seq
  }
}

function docOf(parts: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc()
  doc.transact(() => {
    for (const part of parts) Y.applyUpdate(doc, part)
  }, SERVER)
  return doc
}

/** Not one of an older time with other rules, which nobody can open. */
function isReadableName(name: string): boolean {
  try {
    return roomOf(name) !== undefined
  } catch {
    return false
  }
}
