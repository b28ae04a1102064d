import { isDeepStrictEqual } from 'node:util'
import * as Y from 'yjs'
import { callsOf, courseOf, readCall, setCourse } from '../../model/calls.ts'
import { type ChatMessage, messagesOf, readsOf } from '../../model/chat.ts'
import { entriesOf, lastSeenOf } from '../../model/lobby.ts'
import { isKeyOf } from '../../persistence/map-keys.ts'
import { messageWithout, type Person } from './messages.ts'
import { isNamedIn } from './naming.ts'

/** In place of the devices that somebody called with: they are chosen by the device, and tell it from others. */
const NO_DEVICE = 'erased'

/** Takes a person out of the messages of a segment. To be called in a transaction, as those that follow. */
export function eraseFromSegment(segment: Y.Doc, person: Person): void {
  for (const message of messagesOf(segment)) {
    const before = message.toJSON() as ChatMessage
    const after = messageWithout(person, before, Date.now())
    if (after !== undefined) write(message, before, after, person)
  }
}

/** Takes a person's read mark out of a room's head, and out of its calls. Returns how many there were. */
export function eraseFromHead(head: Y.Doc, person: Person): { readMarks: number; calls: number } {
  const { user } = person
  const reads = readsOf(head)
  const readMarks = reads.has(user) ? 1 : 0
  if (readMarks > 0) reads.delete(user)
  const calls = callsOf(head)
    .toArray()
    .filter((entry) => isNamedIn(user, entry.toJSON()))
  for (const entry of calls) eraseFromCall(entry, person)
  return { readMarks, calls: calls.length }
}

/** Takes what a person said of themselves out of a lobby, and when they were seen last. Returns how much there was. */
export function eraseFromLobby(lobby: Y.Doc, { user }: Person): { lobbyEntries: number; lastSeen: number } {
  const [entries, seen] = [entriesOf(lobby), lastSeenOf(lobby)]
  const found = { lobbyEntries: entries.has(user) ? 1 : 0, lastSeen: seen.has(user) ? 1 : 0 }
  if (found.lobbyEntries > 0) entries.delete(user)
  if (found.lastSeen > 0) seen.delete(user)
  return found
}

/** The call stays, as one between the others and a pseudonym: it is the others' as well. */
function eraseFromCall(entry: Y.Map<unknown>, { user, pseudonym }: Person): void {
  const { from, to } = readCall(entry)
  const nameOf = (other: string) => (other === user ? pseudonym : other)
  if (from === user) {
    entry.set('from', pseudonym)
    entry.set('device', NO_DEVICE)
  }
  if (to.includes(user)) entry.set('to', to.map(nameOf))
  const course = courseOf(entry)
  if (course !== undefined) {
    const parties = course.parties.map((party) => {
      if (party.user !== user) return party
      return { ...party, user: pseudonym, ...(party.device === undefined ? {} : { device: NO_DEVICE }) }
    })
    setCourse(entry, { ...course, parties })
  }
  const acts = entry.get('acts')
  if (!(acts instanceof Y.Map)) return
  for (const key of [...acts.keys()].filter((each) => isKeyOf(user, each))) {
    // What they did stays done, for a call that is not over.
    acts.set(key.slice(0, -user.length) + pseudonym, NO_DEVICE)
    acts.delete(key)
  }
}

function write(message: Y.Map<unknown>, before: ChatMessage, after: ChatMessage, { user }: Person): void {
  const { reactions: _before, ...old } = before
  const { reactions: _after, ...fields } = after
  for (const key of Object.keys(old)) if (!Object.hasOwn(fields, key)) message.delete(key)
  for (const [key, value] of Object.entries(fields)) {
    if (!isDeepStrictEqual(message.get(key), value)) message.set(key, value)
  }
  const reactions = message.get('reactions')
  if (!(reactions instanceof Y.Map)) return
  for (const key of [...reactions.keys()]) if (isKeyOf(user, key)) reactions.delete(key)
}
