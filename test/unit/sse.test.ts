import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { stream } from '../../server/events/sse.ts'

test('a stream is over for a reader who left before it began', async () => {
  const over = Promise.withResolvers<number>()
  let asked = 0
  const source = {
    get isOver() {
      return asked > 9
    },
    read: async () => '',
    async next() {
      asked += 1
      return false
    },
  }
  const server = createServer(async (_request, response) => {
    client.destroy()
    await once(response, 'close') // as while somebody asks whether they may read it
    await stream(response, {}, source, {
      heartbeatMs: 1_000,
      endsAt: undefined,
      isRevoked: () => false,
      kicked: new AbortController().signal,
    })
    over.resolve(asked)
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect(Object(server.address()).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await over.promise).toBe(0)
})
