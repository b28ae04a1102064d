import { StorageError } from '../storage-error.ts'

/** A database that was here, as its marker tells, and is not any more. */
export function missing(file: string, what: string): StorageError {
  const message =
    `${file} ${what}. Restore it from a backup or mount the right volume. Only if you mean to go on without what it ` +
    `held, remove its marker ${markerOf(file)} and start again`
  return new StorageError('storage/missing', message)
}

/** Where a database's marker stands; see marker.ts. */
export function markerOf(file: string): string {
  return `${file}.marker`
}
