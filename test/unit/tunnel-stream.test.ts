import { describe, expect, test } from 'vitest'
import { readEvents, type StreamEvent } from '../../client/event-stream.ts'
import { PieceQueue } from '../../client/piece-queue.ts'
import { MessageAssembler } from '../../server/connection/message-assembler.ts'
import { createRandom, seedsFor } from '../support/random.ts'

describe('the way up', () => {
  test.each(seedsFor([], 20))('brings each message whole, wherever it is cut (rerun with SEED=%i)', (seed) => {
    const random = createRandom(seed)
    const queue = new PieceQueue()
    const assembler = new MessageAssembler(1000)
    const sent: Uint8Array[] = []
    const received: Uint8Array[] = []
    for (let step = 0; step < 300; step += 1) {
      if (random.chance(0.6)) {
        const message = Uint8Array.from({ length: random.int(random.pick([1, 5, 300, 1001])) }, () => random.int(256))
        sent.push(message)
        queue.push(message)
      } else if (queue.size > 0) {
        received.push(...assembler.push(Buffer.from(queue.take(1 + random.int(400)))))
      }
    }
    while (queue.size > 0) received.push(...assembler.push(Buffer.from(queue.take(100))))
    expect(received.map((message) => [...message])).toEqual(sent.map((message) => [...message]))
    expect(received.length).toBeGreaterThan(100)
    expect(assembler.waitingBytes).toBe(0)
  })

  test('a message over the limit is refused with its first bytes', () => {
    const assembler = new MessageAssembler(1000)
    expect(assembler.push(Buffer.from([0, 0, 3]))).toEqual([])
    expect(() => assembler.push(Buffer.from([233]))).toThrow(RangeError)
    expect(() => new MessageAssembler(1000).push(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow(RangeError)
    expect(new MessageAssembler(1000).push(Buffer.from([0, 0, 3, 232]))).toEqual([])
  })

  test('what is taken from the queue is gone, and what was cleared never leaves', () => {
    const queue = new PieceQueue()
    queue.push(Uint8Array.of(7, 8))
    expect([...queue.take(5)]).toEqual([0, 0, 0, 2, 7])
    expect(queue.size).toBe(1)
    queue.clear()
    expect(queue.size).toBe(0)
    expect([...queue.take(5)]).toEqual([])
  })
})

describe('the way down', () => {
  async function eventsIn(chunks: readonly Uint8Array<ArrayBuffer>[]): Promise<StreamEvent[]> {
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk)
        controller.close()
      },
    })
    return Array.fromAsync(readEvents(body))
  }

  test.each(seedsFor([], 20))('events are read wherever the stream is cut (rerun with SEED=%i)', async (seed) => {
    const random = createRandom(seed)
    const text =
      ': a comment\n\nevent: open\ndata: {"a":"ü✓"}\n\ndata: one\ndata:two\n\nevent: none\n\ndata: three\n\ndata: cut off\n'
    const bytes = new TextEncoder().encode(text)
    const chunks: Uint8Array<ArrayBuffer>[] = []
    for (let start = 0; start < bytes.length; ) {
      const end = start + 1 + random.int(12)
      chunks.push(bytes.slice(start, end))
      start = end
    }
    expect(await eventsIn(chunks)).toEqual([
      { type: 'open', lines: ['{"a":"ü✓"}'] },
      { type: '', lines: ['one', 'two'] },
      { type: '', lines: ['three'] },
    ])
  })
})
