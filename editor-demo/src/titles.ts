import { Store } from '../../client/index.ts'
import { recall, remember } from './browser-storage.ts'

const KEY = 'coweave:titles'
const MAX_TITLE_LENGTH = 80
const MAX_REMEMBERED = 200

/** Titles of the documents this browser has seen: the first line of the text. The server knows only names. */
export const titles = new Store<Readonly<Record<string, string>>>(load())

export function rememberTitle(name: string, firstLine: string): void {
  const title = firstLine.trim().slice(0, MAX_TITLE_LENGTH)
  if ((titles.get()[name] ?? '') === title) return
  const others = Object.entries(titles.get()).filter(([other]) => other !== name)
  const kept = title === '' ? others : [...others, [name, title] as const]
  const next = Object.fromEntries(kept.slice(-MAX_REMEMBERED))
  remember('local', KEY, JSON.stringify(next))
  titles.set(next)
}

/** What to call a document: its first line, or its name's last segment made readable. */
export function titleOf(name: string, known: Readonly<Record<string, string>>): string {
  const title = Object.hasOwn(known, name) ? known[name] : undefined
  if (title !== undefined) return title
  const segment = (name.split('/').at(-1) ?? name)
    .replace(/^untitled-\w+$/, 'untitled')
    .replaceAll(/[-_]+/g, ' ')
    .trim()
  return segment === '' ? name : segment.charAt(0).toUpperCase() + segment.slice(1)
}

function load(): Record<string, string> {
  try {
    const stored: unknown = JSON.parse(recall('local', KEY) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return {}
    return Object.fromEntries(Object.entries(stored).filter(([, title]) => typeof title === 'string'))
  } catch {
    return {} // damaged: names are shown instead
  }
}
