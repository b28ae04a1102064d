import { CoweaveError } from '../../../client/index.ts'

const words: Readonly<Record<string, string>> = {
  'access/no-grant': 'You may not do this in this document.',
  'document/reset': 'The document was reset since then. A moderator can reset it to this version.',
  'history/busy': 'The server is busy. Try again in a moment.',
  'history/too-many': 'The server is busy. Try again in a moment.',
  'history/too-big': 'So much has been written here that the server can’t show this part.',
  'history/forgotten': 'What was before is no longer kept.',
  'history/no-such-position': 'The server doesn’t know this part of the history.',
  'version/unknown': 'This version has been deleted meanwhile.',
  'version/too-many': 'There are too many named versions. Delete some first.',
}

/** What to tell of a question that failed. */
export function problemOf(error: unknown): string {
  const known = error instanceof CoweaveError && Object.hasOwn(words, error.code) ? words[error.code] : undefined
  return known ?? 'The history can’t be read right now. Try again later.'
}
