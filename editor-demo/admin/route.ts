import { useSyncExternalStore } from 'react'

export type Route =
  | { readonly page: 'overview' | 'users' | 'audit' }
  | { readonly page: 'document'; readonly name: string }

const DOCUMENT = '#/documents/'

/** What the address says, behind its `#`: there is one page only on the server. */
export function routeOf(hash: string): Route {
  if (hash === '#/users') return { page: 'users' }
  if (hash === '#/audit') return { page: 'audit' }
  if (!hash.startsWith(DOCUMENT)) return { page: 'overview' }
  try {
    return { page: 'document', name: decodeURIComponent(hash.slice(DOCUMENT.length)) }
  } catch {
    return { page: 'overview' } // not percent-encoded: typed by hand
  }
}

export function documentHash(name: string): string {
  return `${DOCUMENT}${encodeURIComponent(name)}`
}

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(subscribe, () => location.hash))
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}
