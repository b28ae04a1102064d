import type { Notification } from '../../../client/index.ts'
import { personOf } from '../chat/names.ts'
import type { Person } from '../people.ts'
import { documentIn } from '../route.ts'
import { titleOf } from '../titles.ts'

type ByPerson = (name: string, where: string) => string

/** Kinds of which the page knows more than the server: what people and documents are called. */
const words: Readonly<Partial<Record<string, ByPerson>>> = {
  mention: (name, where) => `${name} mentioned you${where}`,
  reply: (name, where) => `${name} replied to you${where}`,
  'missed-call': (name) => `Missed call from ${name}`,
}

/** What a notification says in one line. */
export function headlineOf(
  { kind, title, from, link }: Notification,
  people: Readonly<Record<string, Person>>,
  titles: Readonly<Record<string, string>>,
): string {
  const say = Object.hasOwn(words, kind) ? words[kind] : undefined
  if (say === undefined || from === undefined) return title
  const document = documentIn(link)
  return say(personOf(from, people).name, document === undefined ? '' : ` in ${titleOf(document, titles)}`)
}
