import { allows, type Level, levels } from '../access/grants.ts'
import type { Change, ValueType } from '../documents/change.ts'
import type { Refusal } from '../documents/guard.ts'
import type { Rules, Writer } from '../documents/product-rules.ts'

export interface PathRule {
  /** Who may write and delete there: a level or more, or whom a function lets. Everybody who may write, by default. */
  readonly write?: Level | 'nobody' | ((writer: Writer, change: Change) => boolean)
  /** What may be written there; anything but binary data and subdocuments, by default. */
  readonly types?: readonly ValueType[]
  /** Largest single value, characters of its JSON. */
  readonly maxSize?: number
  /** Of a text, list or map at this path: how many characters, entries or keys it may grow to. */
  readonly maxLength?: number
}

/**
 * Rules by path. In a path `*` is one step, also an entry of a list, and `**` any rest; the first one that fits counts, and
 * what none fits is refused: `{ 'meta/title': { write: 'moderate', types: ['string'] }, 'tasks/**': {} }`.
 */
export function pathRules(roots: Rules['roots'], paths: Readonly<Record<string, PathRule>>): Rules {
  const rules = Object.entries(paths).map(([path, rule]) => ({ steps: path.split('/'), rule }))
  const ruleAt = (path: readonly string[]) => rules.find(({ steps }) => fits(steps, path))?.rule
  return {
    roots,
    check(change, writer) {
      const at = change.path.join('/')
      const rule = ruleAt(change.path)
      if (rule === undefined) return refuse('unknown-path', `nothing is to be at ${at}`)
      if (!mayWrite(rule, writer, change)) return refuse('forbidden-path', `${at} is not for you to change`)
      if (change.action === 'delete') return undefined
      return valueRefusal(rule, change, at) ?? lengthRefusal(change, ruleAt)
    },
  }
}

function mayWrite({ write = 'write' }: PathRule, writer: Writer, change: Change): boolean {
  if (typeof write === 'function') return write(writer, change)
  const needed = levels.find((level) => level === write)
  return needed !== undefined && allows(writer.level, needed)
}

function valueRefusal({ types, maxSize }: PathRule, { type, size }: Change, at: string): Refusal | undefined {
  // What its writer has deleted already shows nothing of itself.
  if (type === 'deleted') return undefined
  const isAllowed = types?.includes(type) ?? (type !== 'binary' && type !== 'subdocument')
  if (!isAllowed) return refuse('wrong-type', `${at} is not for a value of the kind "${type}"`)
  if (maxSize === undefined || size <= maxSize) return undefined
  return refuse('too-big', `${at} takes at most ${maxSize} characters, got ${size}`)
}

/** A text has the path of its characters, and a list or a map is one step above what is in it. */
function lengthRefusal(
  { path, type, length }: Change,
  ruleAt: (path: readonly string[]) => PathRule | undefined,
): Refusal | undefined {
  const isText = type === 'characters' || type === 'format' || type === 'embed'
  const holder = isText ? path : path.slice(0, -1)
  const max = ruleAt(holder)?.maxLength
  if (max === undefined || length <= max) return undefined
  return refuse('too-big', `${holder.join('/')} holds at most ${max}, and would hold ${length}`)
}

function fits(steps: readonly string[], path: readonly string[]): boolean {
  for (const [index, step] of steps.entries()) {
    if (step === '**') return index === steps.length - 1 && path.length > index
    if (index >= path.length || (step !== '*' && step !== path[index])) return false
  }
  return steps.length === path.length
}

function refuse(name: string, reason: string): Refusal {
  return { rule: `rules/${name}`, reason }
}
