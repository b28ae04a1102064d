import type { Stop } from './api.ts'

export interface NetworkEvents {
  onOnline(): void
  onOffline(): void
  /** The page is looked at again; timers may have slept until now. */
  onVisible(): void
}

/** Follows what a browser knows of the network before a silent socket shows it. Elsewhere nothing is known. */
export function followNetwork(events: NetworkEvents): Stop {
  if (typeof window === 'undefined') return () => {}
  const controller = new AbortController()
  const { signal } = controller
  window.addEventListener('online', () => events.onOnline(), { signal })
  window.addEventListener('offline', () => events.onOffline(), { signal })
  window.addEventListener('pageshow', ({ persisted }) => persisted && events.onVisible(), { signal })
  if (typeof document !== 'undefined') {
    const changed = () => document.visibilityState === 'visible' && events.onVisible()
    document.addEventListener('visibilitychange', changed, { signal })
  }
  return () => controller.abort()
}
