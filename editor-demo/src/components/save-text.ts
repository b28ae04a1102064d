import type { Refusal } from '../../../client/index.ts'
import type { SaveStatus } from '../save-status.ts'

/** The words for a status: what fits into the top bar, and a sentence more. */
export interface StatusText {
  readonly label: string
  readonly detail: string
}

export function statusText(status: SaveStatus): StatusText {
  switch (status.kind) {
    case 'connecting':
      return { label: 'Connecting…', detail: 'Asking the server for the latest text.' }
    case 'saved':
      return { label: 'Saved', detail: 'The server has written every change to disk.' }
    case 'saving':
      return { label: 'Saving…', detail: 'Waiting until the server has written the last changes to disk.' }
    case 'offline':
      return offlineText(status.changes, status.kept)
    case 'read-only':
      return {
        label: status.changes > 0 ? `Read only: ${keptText(status.changes, status.kept)}` : 'Read only',
        detail: readOnlyDetails[status.because],
      }
    case 'refused':
      return {
        label:
          status.changes > 0
            ? `Not saved: ${keptText(status.changes, status.kept)}`
            : refusalText(status.refusal).title,
        detail: refusalText(status.refusal).advice,
      }
  }
}

const readOnlyDetails: Readonly<Record<Extract<SaveStatus, { kind: 'read-only' }>['because'], string>> = {
  grant: 'You may read this document, but not change it.',
  'schema-too-old': 'This page is too old to change the document. Reload it.',
}

function offlineText(changes: number, kept: boolean): StatusText {
  if (changes === 0) {
    const detail = kept
      ? 'Go on writing: changes are kept in this browser and saved when the server is back.'
      : 'This browser can’t keep changes: what you write now is lost if you close the page.'
    return { label: 'Offline', detail }
  }
  const detail = kept
    ? 'They are saved as soon as the server is back.'
    : 'Keep this page open until the server is back.'
  return { label: `Offline: ${keptText(changes, kept)}`, detail }
}

/** “3 changes kept in this browser”, or that they are not. */
export function keptText(changes: number, kept: boolean): string {
  return `${changes} ${changes === 1 ? 'change' : 'changes'} ${kept ? 'kept in this browser' : 'not kept'}`
}

export interface RefusalText {
  readonly title: string
  readonly advice: string
  /** What the button offers: the same again, the page anew, or giving up the edits only this browser has. */
  readonly action: 'retry' | 'reload' | 'discard' | 'none'
}

export function refusalText({ reason }: Refusal): RefusalText {
  switch (reason) {
    case 'unauthorized':
      return {
        title: 'Signed out',
        advice: 'The server did not accept the token. Try again, or open the page with a new token.',
        action: 'retry',
      }
    case 'forbidden':
      return {
        title: 'No access',
        advice: 'You may not open this document. Ask its owner for access.',
        action: 'retry',
      }
    case 'other-user':
      return {
        title: 'Somebody else',
        advice: 'The token belongs to another user than this page. Reload it.',
        action: 'reload',
      }
    case 'timeout':
      return { title: 'Disconnected', advice: 'The server had not heard from this page for too long.', action: 'retry' }
    case 'client-id-taken':
      return {
        title: 'Can’t be merged',
        advice: 'This browser’s copy was made by somebody else. Discard it to see the server’s text.',
        action: 'discard',
      }
    case 'deleted':
      return {
        title: 'Deleted',
        advice: 'Somebody deleted this document. Choose another one from the list.',
        action: 'none',
      }
    case 'reset':
      return {
        title: 'Reset',
        advice: 'This document was reset to what it was before. Reload the page to see it.',
        action: 'reload',
      }
    case 'too-big':
      return {
        title: 'Too big',
        advice: 'The document has reached its size limit. Copy the last changes elsewhere, then discard them.',
        action: 'discard',
      }
    case 'schema-too-old':
      return {
        title: 'Page out of date',
        advice: 'A newer version of this page is needed. Reload it.',
        action: 'reload',
      }
    case 'too-many':
      return {
        title: 'Too much at once',
        advice: 'The server has a limit and it was reached. Wait a little, then try again.',
        action: 'retry',
      }
    case 'malformed':
    case 'other':
      return { title: 'Refused', advice: 'The server closed the connection for good.', action: 'retry' }
  }
}
