import { z } from 'zod'
import { documentNameProblem } from '../../model/document-name.ts'
import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'

export interface NoName {
  readonly code: 'bad-name' | 'room' | 'name-taken'
  readonly problem: string
}

/** What imported documents are called here. */
export class TargetNames {
  readonly #prefix: string
  readonly #names: ReadonlyMap<string, string>
  readonly #given: ReadonlySet<string>

  /** `names` says it for some of them; the others get `prefix` in front. @throws {CoweaveError} `import/bad-names` */
  constructor(prefix: string, names: ReadonlyMap<string, string>) {
    this.#prefix = prefix
    this.#names = names
    this.#given = new Set(names.values())
    if (this.#given.size < names.size) throw badNames('two documents have the same new name')
  }

  /** The name that a document gets, or why it can't have one. */
  of(source: string): string | NoName {
    const given = this.#names.get(source)
    const name = given ?? this.#prefix + source
    const problem = documentNameProblem(name)
    if (problem !== undefined) return { code: 'bad-name', problem }
    if (isRoom(name)) return { code: 'room', problem: 'names of that kind are rooms here, which have rules' }
    if (given === undefined && this.#given.has(name))
      return { code: 'name-taken', problem: `another document gets the name ${name}` }
    return name
  }
}

/** Reads `{ "<old name>": "<new name>", … }`. @throws {CoweaveError} `import/bad-names` */
export function parseNames(json: string): Map<string, string> {
  try {
    return new Map(Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(json))))
  } catch (cause) {
    throw badNames('must be a JSON object with the new name of each old one', { cause })
  }
}

function isRoom(name: string): boolean {
  try {
    return roomOf(name) !== undefined
  } catch {
    return true // written as no room may be
  }
}

function badNames(problem: string, options?: ErrorOptions): CoweaveError {
  return new CoweaveError('import/bad-names', `--names: ${problem}`, options)
}
