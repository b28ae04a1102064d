import { documentNameProblem } from '../../model/document-name.ts'
import { Store } from './store.ts'

export const DEFAULT_DOCUMENT = 'notes/welcome'
const PREFIX = '/d/'

/** The document an address names, or what is wrong with it. */
export type Route =
  | { readonly kind: 'document'; readonly name: string }
  | { readonly kind: 'bad'; readonly problem: string }

export function pathOf(name: string): string {
  return PREFIX + name.split('/').map(encodeURIComponent).join('/')
}

export function routeOf(path: string): Route {
  if (!path.startsWith(PREFIX) || path === PREFIX) return { kind: 'document', name: DEFAULT_DOCUMENT }
  let name: string
  try {
    name = decodeURIComponent(path.slice(PREFIX.length))
  } catch {
    return { kind: 'bad', problem: 'the address is not correctly encoded' }
  }
  const problem = documentNameProblem(name)
  return problem === undefined ? { kind: 'document', name } : { kind: 'bad', problem }
}

/** The address of the page, through the history API. */
export class Router {
  readonly route = new Store<Route>(routeOf(location.pathname))

  constructor() {
    const route = this.route.get()
    if (route.kind === 'document') history.replaceState(null, '', pathOf(route.name) + location.hash)
    addEventListener('popstate', () => this.route.set(routeOf(location.pathname)))
  }

  go(name: string): void {
    if (location.pathname !== pathOf(name)) history.pushState(null, '', pathOf(name))
    this.route.set(routeOf(location.pathname))
  }
}
