import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { closeSessions, openSession, textOf, whenState, whenText, write } from '../support/client-session.ts'
import { startServer, type TestServer, tokenFor } from '../support/server.ts'

let server: TestServer | undefined

afterEach(async () => {
  closeSessions()
  await server?.stop()
  server = undefined
})

test('[promise 1] what is saved outlives kill -9, and what is not is sent again', async () => {
  server = await startServer()
  const ann = openSession(server).document('restart/one')
  const bob = openSession(server, { as: 'bob' }).document('restart/one')
  await Promise.all([ann.whenSynced, bob.whenSynced])
  write(ann, 'saved')
  await ann.whenSaved()
  await server.kill()
  await whenState(ann.state, ({ status }) => status.kind === 'offline')
  write(ann, ', offline')
  const saved = ann.whenSaved()
  let isSaved = false
  void saved.then(() => {
    isSaved = true
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(isSaved).toBe(false)
  expect(ann.unsaved).toBe(1)
  server = await server.restart()
  await saved
  await server.kill()
  server = await server.restart()
  const carol = openSession(server, { as: 'carol' }).document('restart/one')
  await carol.whenSynced
  expect(textOf(carol)).toBe('saved, offline')
  await whenText(bob, 'saved, offline')
})

test('many sessions come back apart', async () => {
  server = await startServer()
  const url = server
  const sessions = Array.from({ length: 20 }, (_, number) => openSession(url, { as: `user-${number}` }))
  const documents = sessions.map((session, number) => session.document(`apart/${number}`))
  await Promise.all(documents.map(({ whenSynced }) => whenSynced))
  await server.stop()
  server = await server.restart()
  const cameBack: number[] = []
  await Promise.all(
    documents.map(async ({ state }) => {
      await whenState(state, ({ status }) => status.kind === 'online')
      cameBack.push(Date.now())
    }),
  )
  // Twenty within a second would be one chance in millions.
  expect(Math.max(...cameBack) - Math.min(...cameBack)).toBeGreaterThan(1_000)
})

test('a process ends by itself once the session is closed', async () => {
  server = await startServer()
  const client = fileURLToPath(new URL('../../client/index.ts', import.meta.url))
  const program = `
    import { connect } from ${JSON.stringify(client)}
    const session = connect({ url: ${JSON.stringify(server.url)}, token: async () => ${JSON.stringify(tokenFor('bot'))} })
    const document = session.document('bots/one')
    await document.whenSynced
    document.ydoc.getText('text').insert(0, 'from a bot')
    await document.whenSaved()
    const other = connect({ url: 'http://127.0.0.1:9', token: async () => ${JSON.stringify(tokenFor('bot'))} })
    other.document('bots/two')
    setTimeout(() => {
      session.close()
      other.close()
      console.log('closed')
    }, 100)
  `
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const [code] = await once(child, 'exit')
  expect(code).toBe(0)
  expect(output).toBe('closed\n')
})

test('a hundred and fifty documents come back together on one socket', async () => {
  server = await startServer()
  const session = openSession(server)
  const names = Array.from({ length: 150 }, (_, number) => `many/${number}`)
  const documents = names.map((name) => session.document(name))
  await Promise.all(documents.map(({ whenSynced }) => whenSynced))
  await server.stop()
  for (const document of documents) write(document, 'x')
  server = await server.restart()
  await Promise.all(documents.map((document) => document.whenSaved()))
  expect(documents.every(({ status }) => status.kind === 'online')).toBe(true)
})
