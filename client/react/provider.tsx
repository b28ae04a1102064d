import { createContext, type ReactNode, use, useLayoutEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { CoweaveError } from '../../model/errors.ts'
import type { ConnectOptions, Session } from '../api.ts'
import { connect } from '../index.ts'
import { HeldSession } from './held-session.ts'

interface SessionContext {
  /** Undefined before a provider that makes its session has mounted, and on the server. */
  readonly session: Session | undefined
  readonly whenSession: () => Promise<Session>
}

const Context = createContext<SessionContext | undefined>(undefined)

interface WithSession {
  /** A session that the app makes, and closes. */
  readonly session: Session
  readonly children?: ReactNode
}

interface WithOptions extends ConnectOptions {
  readonly session?: undefined
  readonly children?: ReactNode
}

export type CoweaveProviderProps = WithSession | WithOptions

/**
 * Gives the components below it a session: the one that it is given, or one that it makes from connect options when it
 * mounts, and closes when it goes. Other options than before, but for `token`, make another session.
 */
export function CoweaveProvider(props: CoweaveProviderProps): ReactNode {
  return props.session === undefined ? <OwnSession {...props} /> : <GivenSession {...props} />
}

function GivenSession({ session, children }: WithSession): ReactNode {
  const context = useMemo(() => ({ session, whenSession: () => Promise.resolve(session) }), [session])
  return <Context value={context}>{children}</Context>
}

function OwnSession({ url, user, schema, keepLocally, maxMessageBytes, token, children }: WithOptions): ReactNode {
  // An app writes the function in place, so that it is another one with each render.
  const latestToken = useRef(token)
  useLayoutEffect(() => {
    latestToken.current = token
  })
  const held = useMemo(
    () =>
      new HeldSession(() =>
        connect({
          url,
          token: () => latestToken.current(),
          ...(user === undefined ? {} : { user }),
          ...(schema === undefined ? {} : { schema }),
          ...(keepLocally === undefined ? {} : { keepLocally }),
          ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
        }),
      ),
    [url, user, schema, keepLocally, maxMessageBytes],
  )
  const session = useSyncExternalStore(held.subscribe, held.get, () => undefined)
  const context = useMemo(() => ({ session, whenSession: () => held.whenOpen }), [session, held])
  return <Context value={context}>{children}</Context>
}

/** @throws {CoweaveError} `react/no-provider` */
export function useSessionContext(): SessionContext {
  const context = use(Context)
  if (context === undefined)
    throw new CoweaveError('react/no-provider', 'this component needs a <CoweaveProvider> around it')
  return context
}

/**
 * The session; undefined before a provider that makes it has mounted, and on the server.
 * @throws {CoweaveError} `react/no-provider`
 */
export function useSession(): Session | undefined {
  return useSessionContext().session
}
