import { type ImportDocumentOptions, type Imported, importDocument, type NotImported } from './import-document.ts'
import type { ImportSource } from './source.ts'
import type { NoName, TargetNames } from './target-names.ts'

/** What became of one document. */
export type DocumentReport = {
  /** Its name in the source. */
  readonly source: string
  /** Its name here, where it has one. */
  readonly name?: string
} & (
  | Exclude<Imported, NotImported>
  | {
      readonly outcome: 'not-imported'
      readonly code: NotImported['code'] | NoName['code'] | 'no-document'
      readonly problem: string
    }
)

/**
 * Imports all documents of a source, one after the other, and tells of each. What can't be imported keeps nothing else
 * back; run again, it goes on with what is missing.
 * @throws {StorageError} as importDocument()  @throws {CoweaveError} `import/no-source` when the names can't be read
 */
export async function* importAll(
  source: ImportSource,
  names: TargetNames,
  options: ImportDocumentOptions,
): AsyncGenerator<DocumentReport> {
  for (const { name, problem } of source.others) {
    yield { source: name, outcome: 'not-imported', code: 'no-document', problem }
  }
  for (const each of source.names()) {
    const name = names.of(each)
    if (typeof name !== 'string') {
      yield { source: each, outcome: 'not-imported', ...name }
      continue
    }
    const updates = await source.read(each).catch(problemOf)
    if (typeof updates === 'string') {
      yield { source: each, name, outcome: 'not-imported', code: 'damaged', problem: updates }
      continue
    }
    yield { source: each, name, ...(await importDocument(name, updates, options)) }
  }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
