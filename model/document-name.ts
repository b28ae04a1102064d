import { CoweaveError } from './errors.ts'

const MAX_BYTES = 255
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what the name must not hold
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** What is wrong with a document name: a sentence for people, or undefined when it is a good name. */
export function documentNameProblem(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length
  if (bytes === 0) return 'a document name must not be empty'
  if (bytes > MAX_BYTES) return `a document name has at most ${MAX_BYTES} bytes, this one has ${bytes}`
  if (CONTROL.test(name)) return 'a document name must not hold control characters'
  if (!name.isWellFormed()) return 'a document name must be well-formed Unicode'
  // Hocuspocus uses plain objects as maps, where the names of Object.prototype can't be looked up.
  if (name in Object.prototype) return `"${name}" is a reserved name`
  for (const segment of name.split('/')) {
    if (segment.trim() === '') return 'a document name must not hold empty segments'
    if (segment === '..' || segment === '.') return `a document name must not hold "${segment}" segments`
  }
  return undefined
}

/** Returns `name` if it is a good document name. @throws {CoweaveError} `document/bad-name` */
export function parseDocumentName(name: string): string {
  const problem = documentNameProblem(name)
  if (problem !== undefined) throw new CoweaveError('document/bad-name', problem)
  return name
}
