import { CoweaveError } from '../../model/errors.ts'

/** Yjs documents that something else has stored. Nothing is ever written to where they are. */
export interface ImportSource {
  /** The name of each document, once. */
  names(): Iterable<string>
  /**
   * The v1 updates that a document is made of, in any order. Whoever asks checks them.
   * @throws {Error} when they can't be read, which says why; the others can be read all the same
   */
  read(name: string): Promise<readonly Uint8Array[]>
  /** What is there and is no document, and why. */
  readonly others: readonly { readonly name: string; readonly problem: string }[]
  close(): Promise<void>
}

export function noSource(problem: string, options?: ErrorOptions): CoweaveError {
  return new CoweaveError('import/no-source', problem, options)
}
