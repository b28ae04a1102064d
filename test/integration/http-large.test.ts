import { expect, test } from 'vitest'
import { HttpSocket } from '../../client/http-socket.ts'
import { MAX_PIECE_BYTES } from '../../model/tunnel.ts'
import { openClient, openSocket } from '../support/clients.ts'
import { replayFromLog } from '../support/replay.ts'
import { startServer } from '../support/server.ts'

test('[promise 2] a stock provider over HTTP sends and gets what is larger than one request, and has many documents in one tunnel', async () => {
  const server = await startServer()
  const socket = openSocket(server, HttpSocket)
  const large = openClient(server, 'http/large', { socket })
  large.text.insert(0, 'x'.repeat(MAX_PIECE_BYTES * 5))
  const others = Array.from({ length: 20 }, (_, index) => openClient(server, `http/${index}`, { socket }))
  for (const other of others) other.text.insert(0, other.provider.configuration.name)
  await Promise.all([large, ...others].map((client) => client.saved()))
  const again = openClient(server, 'http/large', { socket: openSocket(server, HttpSocket) })
  await again.synced()
  expect(again.text.length).toBe(MAX_PIECE_BYTES * 5)
  again.socket.destroy()
  socket.destroy()
  expect(await server.stop()).toBe(0)
  const names = others.map((other) => other.provider.configuration.name)
  const stored = await replayFromLog(server.folder, names)
  expect(names.map((each) => stored[each]?.getText('text').toString())).toEqual(names)
})
