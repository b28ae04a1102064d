/** One server-sent event. */
export interface StreamEvent {
  /** Empty for a plain one. */
  readonly type: string
  readonly lines: readonly string[]
}

/** The events of a text/event-stream, as they come. EventSource does the same, and tells neither status nor end. */
export async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<StreamEvent> {
  let type = ''
  let lines: string[] = []
  for await (const line of linesOf(body)) {
    const colon = line.indexOf(':')
    const field = line.slice(0, colon)
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (line === '') {
      if (lines.length > 0) yield { type, lines }
      type = ''
      lines = []
    } else if (field === 'data') {
      lines.push(value)
    } else if (field === 'event') {
      type = value
    }
  }
}

async function* linesOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  // A line may come in thousands of parts: they are put together once it ends.
  let parts: string[] = []
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const [first = '', ...others] = next.value.split('\n')
    parts.push(first)
    for (const other of others) {
      yield parts.join('')
      parts = [other]
    }
  }
}
