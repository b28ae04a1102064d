import { type Mentioned, mentionParts } from './mentions.ts'

/** A stretch of a message: plain text, a web address to follow, or somebody's name. */
export interface TextPart {
  readonly text: string
  readonly href?: string
  readonly mentioned?: Mentioned
}

const ADDRESS = /https?:\/\/[^\s<>"'`]+/gi
/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?…]+$/

/** A message's text, with the addresses and the `mentioned` in it told apart. Everything else stays text. */
export function textParts(text: string, mentioned: readonly Mentioned[] = []): readonly TextPart[] {
  const parts: TextPart[] = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = trimmed(found)
    const href = webAddress(address)
    if (href === undefined) continue
    if (index > end) parts.push(...mentionParts(text.slice(end, index), mentioned))
    parts.push({ text: address, href })
    end = index + address.length
  }
  if (end < text.length) parts.push(...mentionParts(text.slice(end), mentioned))
  return parts
}

function trimmed(address: string): string {
  let result = address.replace(TRAILING, '')
  // A bracket belongs to the address only if it was opened in it.
  while (result.endsWith(')') && result.split('(').length < result.split(')').length) {
    result = result.slice(0, -1).replace(TRAILING, '')
  }
  return result
}

function webAddress(text: string): string | undefined {
  try {
    const { protocol, hostname, href } = new URL(text)
    return (protocol === 'http:' || protocol === 'https:') && hostname !== '' ? href : undefined
  } catch {
    return undefined
  }
}
