import type { Session } from '../api.ts'
import { type DocumentView, OpenDocument } from './document-view.ts'

/** For how long a document stays open after a wait for it, until a component has taken it over. */
const KEPT_MS = 10_000
/** For how long a failure is: React renders again at once to make sure, and a user may try again. */
const FAILURE_KEPT_MS = 1_000
/** After so long whoever waits is asked whether they still do: nothing tells when a waiting render is given up. */
const ASKED_AGAIN_MS = 30_000

/** A document that a render waits for: React throws that render away, so it is kept here. */
class SuspendedDocument {
  /** Resolves once it is worth rendering again. Rejects when the document is refused and there is no copy. */
  readonly wait: Promise<void>
  readonly #open: OpenDocument
  #isOver = false

  constructor(session: Session, name: string, onEnd: () => void) {
    this.#open = new OpenDocument(session, name)
    this.wait = whenReady(this.#open)
    const endAfter = (ms: number) =>
      setTimeout(() => {
        onEnd()
        this.#open.release()
      }, ms)
    this.wait.then(
      () => {
        this.#isOver = true
        endAfter(KEPT_MS)
      },
      () => endAfter(FAILURE_KEPT_MS),
    )
  }

  get view(): DocumentView {
    return this.#open.get()
  }

  /** Rendering again found nothing to show: the next wait is for another one. */
  get isUsedUp(): boolean {
    return this.#isOver && !this.view.ready
  }
}

const suspended = new WeakMap<Session, Map<string, SuspendedDocument>>()

/**
 * What renders that need the document wait for: the same promise for all of them, as React's `use` wants it, and for a
 * while after it was settled. Undefined where nobody has begun to wait.
 */
export function waitFor(session: Session, name: string): Promise<void> | undefined {
  const waited = suspended.get(session)?.get(name)
  return waited === undefined || waited.isUsedUp ? undefined : waited.wait
}

/** Opens the document to wait for it. Rejects when it is refused and there is no copy. */
export function beginToWaitFor(session: Session, name: string): Promise<void> {
  const all = suspended.get(session) ?? new Map<string, SuspendedDocument>()
  suspended.set(session, all)
  const fresh: SuspendedDocument = new SuspendedDocument(session, name, () => {
    if (all.get(name) === fresh) all.delete(name)
  })
  all.set(name, fresh)
  return fresh.wait
}

/** The document that was waited for, until a component has had the time to open it. */
export function waitedFor(session: Session, name: string): DocumentView | undefined {
  return suspended.get(session)?.get(name)?.view
}

function whenReady(open: OpenDocument): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      clearTimeout(timer)
      stop()
      act()
    }
    const check = () => {
      if (open.get().ready) settle(resolve)
    }
    const timer = setTimeout(() => settle(resolve), ASKED_AGAIN_MS)
    const stop = open.subscribe(check)
    open.document.whenReady.then(check, (error: unknown) => settle(() => reject(error)))
    check()
  })
}
