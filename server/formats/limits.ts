import { FormatError } from './format-error.ts'

/** How deep nodes may stand inside each other, as elements of HTML too. People's documents stay below 30. */
export const MAX_DEPTH = 100

/** @throws {FormatError} `format/too-deep` */
export function checkDepth(depth: number): void {
  if (depth > MAX_DEPTH) throw new FormatError('format/too-deep', `nodes stand at most ${MAX_DEPTH} deep in each other`)
}
