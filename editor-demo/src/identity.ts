import { recall, remember } from './browser-storage.ts'

/** Who someone is to the others on the page. */
export interface Identity {
  readonly id: string
  readonly name: string
  readonly color: string
}

export const MAX_NAME_LENGTH = 40
const KEY = 'coweave:me'

const ADJECTIVES = 'Amber Brave Calm Clever Coral Gentle Golden Hazel Keen Lucid Mellow Nimble Quiet Silver Sunny Swift'
const ANIMALS = 'Badger Crane Dolphin Finch Fox Hare Heron Ibis Lynx Marten Otter Owl Panda Robin Seal Wren'

// White text on any of these has a contrast of at least 4.5 : 1.
const COLORS = ['#4a56c9', '#0f766e', '#b4365f', '#9a5b0b', '#7a45b5', '#1f6fa8', '#4c7a1e', '#b5482a', '#a13a9a']

/** The person this browser belongs to; made up on the first visit. */
export function ownIdentity(): Identity {
  const stored = parse(recall('local', KEY))
  if (stored !== undefined) return stored
  const made = {
    id: randomId(12),
    name: `${pick(ADJECTIVES.split(' '))} ${pick(ANIMALS.split(' '))}`,
    color: pick(COLORS),
  }
  rememberIdentity(made)
  return made
}

export function rememberIdentity(identity: Identity): void {
  remember('local', KEY, JSON.stringify(identity))
}

/** A colour for someone of whom only the id is known. */
export function colorFor(id: string): string {
  let hash = 0
  for (const character of id) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0
  return COLORS[hash % COLORS.length] ?? '#4a56c9'
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return letters
    .map((word) => [...(word ?? '')][0] ?? '')
    .join('')
    .toUpperCase()
}

/** Lower-case letters and digits, hard to guess at 12 of them. */
export function randomId(length: number): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789' // 32, so that a byte's low bits choose evenly
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return [...bytes].map((byte) => alphabet[byte % alphabet.length]).join('')
}

function parse(text: string | undefined): Identity | undefined {
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { id, name, color } = value as Partial<Record<string, unknown>>
    if (typeof id !== 'string' || id === '' || typeof name !== 'string' || name === '') return undefined
    return { id, name, color: typeof color === 'string' && COLORS.includes(color) ? color : colorFor(id) }
  } catch {
    return undefined // not ours, or cut short: a new identity is made up
  }
}

function pick(choices: readonly string[]): string {
  const [byte = 0] = crypto.getRandomValues(new Uint8Array(1))
  return choices[byte % choices.length] ?? ''
}
