import { readFileSync } from 'node:fs'
import { CoweaveError } from '../../model/errors.ts'
import { isUserId } from '../../model/rooms.ts'
import { openLog } from '../../persistence/open-log.ts'
import type { UpdateLog } from '../../persistence/update-log.ts'
import type { Config } from '../config.ts'
import { type DocumentReport, importAll } from './import.ts'
import { openSource } from './open-source.ts'
import { parseNames, TargetNames } from './target-names.ts'

/** What was given to `coweave import`. */
export interface ImportArguments {
  readonly from: string
  readonly to: string
  readonly prefix: string
  readonly names?: string
  readonly author: string
  readonly encoding?: string
  readonly numbered: string
  readonly merge: boolean
  readonly 'dry-run': boolean
  readonly json: boolean
  readonly verbose: boolean
}

/**
 * `coweave import`: prints what became of the documents.
 * @throws {CoweaveError} `import/incomplete` when some were not imported, and for wrong arguments  @throws {StorageError}
 */
export async function runImport(
  args: ImportArguments,
  { ENCRYPTION_KEY, MAX_DOCUMENT_BYTES }: Pick<Config, 'ENCRYPTION_KEY' | 'MAX_DOCUMENT_BYTES'>,
  { print, onProblem }: { print: (text: string) => void; onProblem: (error: Error) => void },
): Promise<void> {
  const { encoding, numbered, author } = args
  if (encoding !== undefined && encoding !== 'v1' && encoding !== 'v2')
    throw badArgument('--encoding: must be v1 or v2')
  if (numbered !== 'updates' && numbered !== 'documents') throw badArgument('--numbered: must be updates or documents')
  if (author !== '' && !isUserId(author)) throw badArgument('--author: must be the id of a user')
  const names = new TargetNames(args.prefix, args.names === undefined ? new Map() : parseNames(read(args.names)))
  const dryRun = args['dry-run']
  const counts: Record<DocumentReport['outcome'], number> = {
    imported: 0,
    merged: 0,
    unchanged: 0,
    empty: 0,
    'not-imported': 0,
  }
  const source = await openSource(args.from, { encoding, numbered })
  try {
    const log = await openTarget({ url: args.to, encryptionKey: ENCRYPTION_KEY, create: !dryRun, onProblem })
    try {
      const options = { log, author, maxBytes: MAX_DOCUMENT_BYTES, merge: args.merge, dryRun }
      for await (const report of importAll(source, names, options)) {
        counts[report.outcome] += 1
        if (args.json) print(`${JSON.stringify(report)}\n`)
        else if (args.verbose || report.outcome === 'not-imported') print(`${sentenceOf(report)}\n`)
      }
    } finally {
      await log?.close()
    }
  } finally {
    await source.close()
  }
  print(args.json ? `${JSON.stringify({ dryRun, counts })}\n` : summaryOf(counts, dryRun))
  const missing = counts['not-imported']
  if (missing > 0) throw new CoweaveError('import/incomplete', `${missing} not imported, as said above`)
}

/** Undefined where it would have to be made first. */
async function openTarget(options: Parameters<typeof openLog>[0]): Promise<UpdateLog | undefined> {
  try {
    return await openLog(options)
  } catch (error) {
    const isMissing = error instanceof CoweaveError && error.code === 'storage/missing'
    if (isMissing && !options.create) return undefined
    throw error
  }
}

function sentenceOf(report: DocumentReport): string {
  const { source, name } = report
  // As JSON, since a name may hold anything.
  const names = JSON.stringify(source) + (name === undefined || name === source ? '' : ` as ${JSON.stringify(name)}`)
  if (report.outcome === 'not-imported') return `not imported: ${names}: ${report.problem} (${report.code})`
  const gap = report.hasGap ? ', with edits that wait for others, which the source does not have' : ''
  return `${report.outcome}: ${names}, ${report.bytes} bytes${gap}`
}

function summaryOf(counts: Readonly<Record<DocumentReport['outcome'], number>>, dryRun: boolean): string {
  const { imported, merged, unchanged, empty, 'not-imported': missing } = counts
  const parts = [
    `${imported} new`,
    `${merged} merged with what was here`,
    `${unchanged} unchanged`,
    ...(empty > 0 ? [`${empty} empty`] : []),
    ...(missing > 0 ? [`${missing} not imported`] : []),
  ]
  return `${dryRun ? 'nothing written; it would be' : 'imported and verified'}: ${parts.join(', ')}\n`
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw badArgument(`--names ${file}: can't be read: ${String(cause)}`, { cause })
  }
}

function badArgument(problem: string, options?: ErrorOptions): CoweaveError {
  return new CoweaveError('command/bad-argument', problem, options)
}
