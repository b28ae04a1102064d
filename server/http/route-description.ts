import 'fastify'
import { z } from 'zod'

/** What a body or an answer holds: a schema of JSON, or the media types of what is none. */
export type Content = z.ZodType | readonly string[]

/** What the API's description says of a route, beside its method and path. */
export interface RouteDescription {
  readonly tag:
    | 'documents'
    | 'history'
    | 'sync'
    | 'chat'
    | 'inbox'
    | 'calls'
    | 'people'
    | 'operations'
    | 'admin'
    | 'demo'
  readonly summary: string
  readonly details?: string
  readonly parameters?: z.ZodObject
  readonly query?: z.ZodObject
  readonly headers?: z.ZodObject
  readonly body?: Content | readonly [z.ZodType, ...string[]]
  /** By status. Errors of all routes are known. */
  readonly answers: Readonly<Record<number, Answer>>
  /** It needs no token. */
  readonly isOpen?: boolean
}

export interface Answer {
  readonly text: string
  readonly content?: RouteDescription['body']
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly api?: RouteDescription
  }
}

/** The options of a route that say what it is: `app.get(path, describe({ … }), handler)`. */
export function describe(api: RouteDescription): { readonly config: { readonly api: RouteDescription } } {
  return { config: { api } }
}

/** A value of which only its kind is told. */
export const anything = z.record(z.string(), z.unknown())
