import { type FastifySwaggerUiOptions, fastifySwaggerUi } from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { openApi, type Route } from './openapi.ts'
import { anything, describe } from './route-description.ts'

const DOCS = '/api/docs'
const IS_API = /^\/(api|health|metrics)(\/|$)/

const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  // Swagger UI makes some of its styles as it goes.
  "style-src 'self' 'unsafe-inline'",
  "object-src 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * `GET /api/openapi.json`, which tells of all routes, and `/api/docs`, where people read it. To be called before the routes
 * are made.
 */
export async function serveApiDocs(app: FastifyInstance): Promise<void> {
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    if (!IS_API.test(url) || url === DOCS || url.startsWith(`${DOCS}/`)) return
    for (const each of [method].flat()) {
      if (each !== 'HEAD' && each !== 'OPTIONS') routes.push({ method: each, path: url, description: config?.api })
    }
  })
  // Once the server listens there are no more routes.
  let made: ReturnType<typeof openApi> | undefined
  const description = () => {
    made ??= openApi(routes)
    return made
  }
  const own = describe({
    tag: 'operations',
    summary: 'What the API is, as OpenAPI 3.1',
    answers: { 200: { text: 'The description', content: anything } },
    isOpen: true,
  })
  app.get('/api/openapi.json', own, async () => description())
  const options: FastifySwaggerUiOptions = {
    routePrefix: DOCS,
    staticCSP: CONTENT_SECURITY_POLICY,
    // Nobody else is told which server this is.
    uiConfig: { url: '/api/openapi.json', validatorUrl: null },
  }
  await app.register(async (scope) => {
    // What the page asks its framework for. JSON is YAML as well.
    scope.decorate('swagger', (as?: { readonly yaml?: boolean }) =>
      as?.yaml ? JSON.stringify(description()) : description(),
    )
    // Not registered, or it would want the plugin that makes the description.
    await fastifySwaggerUi(scope, options, () => {})
  })
}
