import { use, useMemo } from 'react'
import { CoweaveError } from '../../model/errors.ts'
import type { Session } from '../api.ts'
import { type DocumentView, OpenDocument, type ReadyDocument, unopenedDocument } from './document-view.ts'
import { Held } from './held.ts'
import { useSessionContext } from './provider.tsx'
import { beginToWaitFor, waitedFor, waitFor } from './suspended-documents.ts'
import { useTracked } from './tracked.ts'

export interface UseDocumentOptions {
  /**
   * Waits for the document in the next <Suspense> above, which stands below the provider: the document is ready then.
   * One that is refused is an error for the next error boundary. A server shows the fallback.
   */
  readonly suspense?: boolean
}

/**
 * Keeps the document `name` open while the component is mounted. The component renders again when something changes
 * that it has read from the result.
 * @throws {CoweaveError} `react/no-provider`; once it has mounted: `document/bad-name`
 */
export function useDocument(name: string, options: { readonly suspense: true }): ReadyDocument
export function useDocument(name: string, options?: UseDocumentOptions): DocumentView
export function useDocument(name: string, { suspense = false }: UseDocumentOptions = {}): DocumentView {
  const { session: given, whenSession } = useSessionContext()
  const session = given ?? (suspense ? use(inBrowser(whenSession)) : undefined)
  const held = useMemo(() => holdDocument(session, name), [session, name])
  const view = useTracked(held, unopenedDocument)
  if (!suspense || session === undefined) return view
  // Also once it is ready: React wants the promise that it has waited for from the render that goes on.
  const wait = inBrowser(() => waitFor(session, name) ?? (view.ready ? undefined : beginToWaitFor(session, name)))
  if (wait !== undefined) use(wait)
  // And takes one that comes in its place to be the same, so that the wait may not be over yet.
  if (!view.ready) use(waitFor(session, name) ?? beginToWaitFor(session, name))
  return view
}

function holdDocument(session: Session | undefined, name: string): Held<DocumentView> {
  if (session === undefined) return nothingHeld
  return new Held<DocumentView>(
    () => new OpenDocument(session, name),
    () => waitedFor(session, name) ?? unopenedDocument,
  )
}

const nothingHeld = new Held<DocumentView>(
  () => ({ get: () => unopenedDocument, subscribe: () => () => {}, release() {} }),
  () => unopenedDocument,
)

/** A server would wait for ever, or open documents for nobody: an error there makes React leave it to the browser. */
function inBrowser<T>(wait: () => T): T {
  if (typeof window === 'undefined')
    throw new CoweaveError('react/client-only', 'a document that is waited for is shown in browsers only')
  return wait()
}
