import { Store } from '../../client/index.ts'
import { documentNameProblem } from '../../model/document-name.ts'
import { CoweaveError } from '../../model/errors.ts'
import { type Room, roomOf } from '../../model/rooms.ts'

export const DEFAULT_DOCUMENT = 'notes/welcome'
const PREFIX = '/d/'

/** What is to be shown of the chats; another object each time somebody asks for it. */
export interface ChatTarget {
  /** Whose direct chat; undefined for the chat beside the document. */
  readonly partner?: string
  /** The id of a message, or of a call. */
  readonly message?: string
}

interface DocumentRoute {
  readonly kind: 'document'
  readonly name: string
  readonly chat?: ChatTarget
}

/** The document an address names, or what is wrong with it. */
export type Route = DocumentRoute | { readonly kind: 'bad'; readonly problem: string }

export function pathOf(name: string): string {
  return PREFIX + name.split('/').map(encodeURIComponent).join('/')
}

/** Where an address leads `self`. A direct chat is shown beside `current`, the document that is open. */
export function routeOf({ pathname, hash }: Pick<URL, 'pathname' | 'hash'>, self: string, current: string): Route {
  const chat = targetIn(hash)
  if (!pathname.startsWith(PREFIX) || pathname === PREFIX) return { kind: 'document', name: DEFAULT_DOCUMENT, ...chat }
  let name: string
  try {
    name = decodeURIComponent(pathname.slice(PREFIX.length))
    const problem = documentNameProblem(name)
    if (problem !== undefined) return { kind: 'bad', problem }
    const room = roomOf(name)
    return room === undefined ? { kind: 'document', name, ...chat } : routeToRoom(room, self, { current, ...chat.chat })
  } catch (error) {
    if (error instanceof URIError) return { kind: 'bad', problem: 'the address is not correctly encoded' }
    if (error instanceof CoweaveError) return { kind: 'bad', problem: error.message }
    throw error
  }
}

/** A link into a chat ends in `#message=<id>`, or `#message=` where it is about no message. */
function targetIn(hash: string): { readonly chat?: ChatTarget } {
  const message = new URLSearchParams(hash.slice(1)).get('message')
  return message === null ? {} : { chat: message === '' ? {} : { message } }
}

/** The document that a link of this page leads to; undefined for a direct chat, and where it leads elsewhere. */
export function documentIn(link: string): string | undefined {
  if (!link.startsWith(PREFIX)) return undefined
  // Nobody's: no room is a document then.
  const route = routeOf(new URL(link, 'http://page.invalid'), '', '')
  return route.kind === 'document' ? route.name : undefined
}

/** A room is no text to be edited: one's direct chats are shown beside a document. */
function routeToRoom(room: Room, self: string, { current, message }: { current: string; message?: string }): Route {
  if (room.kind === 'dm' && room.segment === undefined && room.members.includes(self)) {
    const partner = room.members.find((user) => user !== self) ?? self
    return { kind: 'document', name: current, chat: { partner, ...(message === undefined ? {} : { message }) } }
  }
  const is = {
    chat: 'a chat, and is shown beside its document',
    dm: 'a direct chat',
    inbox: 'an inbox',
    lobby: 'a lobby',
  }
  return { kind: 'bad', problem: `this is ${is[room.kind]}` }
}

/** The address of the page, through the history API. */
export class Router {
  readonly route: Store<Route>
  readonly #self: string

  constructor(self: string) {
    this.#self = self
    const route = routeOf(location, self, DEFAULT_DOCUMENT)
    this.route = new Store(route)
    // A message is shown once: not again with a reload, or to whom the address is copied for.
    if (route.kind === 'document') {
      history.replaceState(null, '', pathOf(route.name) + (route.chat === undefined ? location.hash : ''))
    }
    addEventListener('popstate', () => this.#show(routeOf(location, self, this.#current)))
  }

  get #current(): string {
    const route = this.route.get()
    return route.kind === 'document' ? route.name : DEFAULT_DOCUMENT
  }

  go(name: string): void {
    if (location.pathname !== pathOf(name)) history.pushState(null, '', pathOf(name))
    this.route.set(routeOf(location, this.#self, this.#current))
  }

  /** Shows what a link of this page leads to. Returns false for one that leads elsewhere. */
  follow(link: string): boolean {
    if (!URL.canParse(link, location.href)) return false
    const url = new URL(link, location.href)
    if (url.origin !== location.origin || !url.pathname.startsWith(PREFIX)) return false
    const route = routeOf(url, this.#self, this.#current)
    const path = route.kind === 'document' ? pathOf(route.name) : url.pathname
    if (location.pathname !== path) history.pushState(null, '', path)
    this.#show(route)
    return true
  }

  /** Shows the direct chat with somebody, beside the document that is open. */
  openChat(partner: string): void {
    const name = this.#current
    if (this.route.get().kind === 'bad') this.go(name)
    this.route.set({ kind: 'document', name, chat: { partner } })
  }

  #show(route: Route): void {
    if (route.kind === 'document' && route.chat !== undefined) history.replaceState(null, '', pathOf(route.name))
    this.route.set(route)
  }
}
