import { CoweaveError } from '../../model/errors.ts'

export interface Edit {
  /** Stands exactly once in the text. */
  readonly find: string
  readonly replace: string
}

/** An edit that fits no place, or several. */
export class EditError extends CoweaveError {
  override readonly name = 'EditError'
  declare readonly code: 'edit/not-found' | 'edit/ambiguous' | 'edit/no-such-block'

  constructor(code: EditError['code'], message: string) {
    super(code, message)
  }
}

/**
 * The text after all edits, each made to what those before it left.
 * @throws {EditError} `edit/not-found`, `edit/ambiguous`
 */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  return edits.reduce((current, { find, replace }, index) => {
    const at = current.indexOf(find)
    const edit = `edits[${index}]: ${JSON.stringify(find.slice(0, 80))}`
    if (at === -1) throw new EditError('edit/not-found', `${edit} is not in the document: read it again`)
    if (current.includes(find, at + 1))
      throw new EditError('edit/ambiguous', `${edit} is in the document several times: find more around it`)
    return current.slice(0, at) + replace + current.slice(at + find.length)
  }, text)
}

/** At the block of that number, from 0, of the document as it was before all of them. */
export interface BlockEdit<Block> {
  readonly at: number
  /** How many blocks go from there on. */
  readonly remove: number
  readonly insert: readonly Block[]
}

/** @throws {EditError} `edit/no-such-block`, `edit/ambiguous` for those that touch the same blocks */
export function applyBlockEdits<Block>(blocks: readonly Block[], edits: readonly BlockEdit<Block>[]): Block[] {
  const sorted = edits.toSorted((one, other) => one.at - other.at)
  let result: Block[] = []
  let next = 0
  for (const { at, remove, insert } of sorted) {
    if (at < next) throw new EditError('edit/ambiguous', `two edits touch block ${at}`)
    if (at + remove > blocks.length)
      throw new EditError(
        'edit/no-such-block',
        `there is no block ${at + remove - 1}: the document has ${blocks.length}`,
      )
    result = result.concat(blocks.slice(next, at), insert)
    next = at + remove
  }
  return result.concat(blocks.slice(next))
}
