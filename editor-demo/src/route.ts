import { Store } from '../../client/index.ts'
import { documentNameProblem } from '../../model/document-name.ts'
import { CoweaveError } from '../../model/errors.ts'
import { roomOf } from '../../model/rooms.ts'

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
  const problem = documentNameProblem(name) ?? roomProblem(name)
  return problem === undefined ? { kind: 'document', name } : { kind: 'bad', problem }
}

/** A chat is no text to be edited; the page shows it beside the document that it belongs to. */
function roomProblem(name: string): string | undefined {
  try {
    return roomOf(name) === undefined ? undefined : 'this is a chat, and is shown beside its document'
  } catch (error) {
    if (error instanceof CoweaveError) return error.message
    throw error
  }
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
