import { type Attributes, context, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from '@opentelemetry/api'

/** Does nothing until there is somebody to tell (tracing.ts, or the OpenTelemetry of whoever runs this server in theirs). */
export const tracer = trace.getTracer('coweave')

/** Has a span stand for what `work` does, under the span of whoever asked for it. */
export async function traced<Result>(
  name: string,
  attributes: Attributes,
  work: () => Promise<Result>,
): Promise<Result> {
  return await within(tracer.startSpan(name, { attributes }), work)
}

/** As traced(), for what is done for many at once, and so belongs to nobody's span. */
export async function tracedAlone<Result>(
  name: string,
  attributes: Attributes,
  work: () => Promise<Result>,
): Promise<Result> {
  return await within(tracer.startSpan(name, { attributes, root: true }, ROOT_CONTEXT), work)
}

/** As traced(), for what is done at once. */
export function tracedNow(name: string, attributes: Attributes, work: () => void): void {
  const span = tracer.startSpan(name, { attributes })
  try {
    work()
  } finally {
    span.end()
  }
}

async function within<Result>(span: Span, work: () => Promise<Result>): Promise<Result> {
  try {
    return await context.with(trace.setSpan(context.active(), span), work)
  } catch (error) {
    span.recordException(error instanceof Error ? error : String(error))
    span.setStatus({ code: SpanStatusCode.ERROR })
    throw error
  } finally {
    span.end()
  }
}
