import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

const attribute = z.object({
  key: z.string(),
  value: z.union([
    z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
    z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  ]),
})
const attributes = z.array(attribute).transform((all) => Object.fromEntries(all.map(({ key, value }) => [key, value])))
const span = z.object({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  attributes,
})
const message = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
})

export interface OtlpReceiver {
  readonly url: string
  /** In the order they ended. */
  readonly spans: readonly z.infer<typeof span>[]
  readonly services: ReadonlySet<unknown>
  stop(): void
}

/** A collector of traces, for OTLP over HTTP in JSON. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: z.infer<typeof span>[] = []
  const services = new Set<unknown>()
  const server = createServer(async (request, response) => {
    const { resourceSpans } = message.parse(await json(request))
    for (const { resource, scopeSpans } of resourceSpans) {
      services.add(resource.attributes['service.name'])
      for (const scope of scopeSpans) spans.push(...scope.spans)
    }
    response.writeHead(request.url === '/v1/traces' ? 200 : 404, { 'Content-Type': 'application/json' }).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, spans, services, stop: () => void server.close() }
}
