import { z } from 'zod'
import { VERSION } from '../version.ts'
import { problemBody } from './problem-body.ts'
import type { Answer, RouteDescription } from './route-description.ts'

export interface Route {
  readonly method: string
  /** As routers write it: `/api/documents/:name`. */
  readonly path: string
  readonly description: RouteDescription | undefined
}

type Json = Readonly<Record<string, unknown>>

const TAGS: Readonly<Record<RouteDescription['tag'], string>> = {
  documents: 'What documents say, and which there are',
  history: 'What documents were like, and who wrote what',
  sync: 'Documents as Yjs updates, and sockets’ messages where sockets are blocked',
  chat: 'Messages in chat rooms',
  inbox: 'Notifications',
  calls: 'What calls need',
  people: 'What is kept about a person',
  operations: 'Health and metrics',
  admin: 'How the server is, and whom admins keep from what; with an admin’s token',
  demo: 'Only in demo mode',
}

/** What the API is, as OpenAPI 3.1. A route that nobody described is in it too, and marked. */
export function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Coweave',
      version: VERSION,
      description: 'Documents that people edit together. Errors are problem details (RFC 9457) with a stable `code`.',
    },
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Problem: jsonSchema(problemBody, 'output') },
      responses: {
        Problem: {
          description: 'It could not be done',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  }
}

function operation({ method, path, description }: Route): Json {
  const words = path.split('/').filter((part) => part !== '' && part !== 'api')
  const operationId = [method.toLowerCase(), ...words.map((word) => word.replace(/\W/g, ''))].join('-')
  const failed = { default: { $ref: '#/components/responses/Problem' } }
  if (description === undefined) {
    const parameters = Array.from(path.matchAll(/:(\w+)/g), ([, name]) => parameter('path', String(name), {}, true))
    return { operationId, 'x-undescribed': true, parameters, responses: failed }
  }
  const { tag, summary, details, parameters, query, headers, body, answers, isOpen } = description
  const answered = Object.entries(answers).map(([status, { text, content }]) => [
    status,
    { description: text, ...(content && { content: mediaContent(content, 'output') }) },
  ])
  return {
    operationId,
    tags: [tag],
    summary,
    ...(details !== undefined && { description: details }),
    ...(isOpen && { security: [] }),
    parameters: [
      ...parametersOf('path', parameters),
      ...parametersOf('query', query),
      ...parametersOf('header', headers),
    ],
    ...(body && { requestBody: { required: true, content: mediaContent(body, 'input') } }),
    responses: { ...Object.fromEntries(answered), ...failed },
  }
}

function mediaContent(content: NonNullable<Answer['content']>, io: 'input' | 'output'): Json {
  if (content instanceof z.ZodType) return { 'application/json': { schema: jsonSchema(content, io) } }
  return Object.fromEntries(content.map((type) => [type, {}]))
}

function parametersOf(place: 'path' | 'query' | 'header', schema: z.ZodObject | undefined): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(schema, 'input')
  if (typeof properties !== 'object' || properties === null || !Array.isArray(required)) return []
  return Object.entries(properties).map(([name, value]) => {
    return parameter(place, name, value, place === 'path' || required.includes(name))
  })
}

function parameter(place: string, name: string, schema: Json, required: boolean): Json {
  const { description, ...rest } = schema
  return { name, in: place, required, schema: rest, ...(description !== undefined && { description }) }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
