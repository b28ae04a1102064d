import { MAX_MENTIONS } from '../../../model/chat.ts'

/** Somebody whom a text can call by name. */
export interface Mentioned {
  readonly id: string
  readonly name: string
}

/** A stretch of a text; `mentioned` is whom it calls. */
export interface MentionPart {
  readonly text: string
  readonly mentioned?: Mentioned
}

/** What is being written of a name: `start` is where its @ stands. */
export interface MentionQuery {
  readonly start: number
  readonly text: string
}

const QUERY = /(?<![\p{L}\p{N}_])@((?:[^\s@][^\n@]{0,39})?)$/u
const WORD = /[\p{L}\p{N}_]/u

/** The name that is being written right before the caret; names have spaces in them. */
export function queryBefore(text: string, caret: number): MentionQuery | undefined {
  const match = QUERY.exec(text.slice(0, caret))
  return match === null ? undefined : { start: match.index, text: match[1] ?? '' }
}

/** Those of `people` one of whose names begins with the query, however it is accented or capitalised. */
export function matching<T extends Mentioned>(people: readonly T[], query: string): readonly T[] {
  const wanted = plain(query)
  return people.filter(({ name }) => ` ${plain(name)}`.includes(` ${wanted}`))
}

/** A text with the calls of `people` told apart; of two names that fit, the longer one. */
export function mentionParts(text: string, people: readonly Mentioned[]): readonly MentionPart[] {
  const longestFirst = people.toSorted((a, b) => b.name.length - a.name.length)
  const parts: MentionPart[] = []
  let end = 0
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    if (at < end || WORD.test(text.charAt(at - 1))) continue
    const mentioned = longestFirst.find(({ name }) => isCalled(text, at + 1, name))
    if (mentioned === undefined) continue
    if (at > end) parts.push({ text: text.slice(end, at) })
    end = at + 1 + mentioned.name.length
    parts.push({ text: text.slice(at, end), mentioned })
  }
  if (end < text.length) parts.push({ text: text.slice(end) })
  return parts
}

/** Those of whom was chosen that the text still calls. Of two with the same name, each needs a call of their own. */
export function stillMentioned<T extends Mentioned>(text: string, chosen: readonly T[]): readonly T[] {
  const left = [...chosen]
  const found = mentionParts(text, chosen).flatMap(({ mentioned }) => {
    const index = left.findIndex(({ name }) => name === mentioned?.name)
    return index === -1 ? [] : left.splice(index, 1)
  })
  return found.slice(0, MAX_MENTIONS)
}

function isCalled(text: string, at: number, name: string): boolean {
  return name !== '' && text.startsWith(name, at) && !WORD.test(text.charAt(at + name.length))
}

function plain(text: string): string {
  return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase()
}
