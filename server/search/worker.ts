import { MAX_TEXT_BYTES } from '../../persistence/text-index.ts'
import { rebuild, unpackSource } from '../documents/source.ts'
import { answerCalls } from '../threads/answer-calls.ts'
import { allText } from './all-text.ts'
import { excerptOf } from './excerpt.ts'
import type { Answer, Request, TextOfDocument } from './protocol.ts'

// The entry of the threads that make texts of documents and excerpts of texts: one call after the other.

function answerOf(request: Request): Answer {
  if (request.task === 'text') return textOf(request)
  const { texts, query } = request
  return texts.map((text) => excerptOf(new TextDecoder().decode(text), query))
}

function textOf({ source }: Extract<Request, { task: 'text' }>): TextOfDocument {
  const began = performance.now()
  const ydoc = rebuild(unpackSource(source))
  try {
    const text = new Uint8Array(MAX_TEXT_BYTES)
    // It ends with a whole character.
    const { written } = new TextEncoder().encodeInto(allText(ydoc, MAX_TEXT_BYTES), text)
    return { text: text.slice(0, written), ms: performance.now() - began }
  } finally {
    ydoc.destroy()
  }
}

answerCalls(answerOf, (answer) => ('text' in answer ? answer.text : undefined), 'search/failed')
