import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test, vi } from 'vitest'
import { openClient, until } from '../support/clients.ts'
import { temporaryFolder } from '../support/server.ts'

const script = fileURLToPath(new URL('../../scripts/cluster.ts', import.meta.url))

let cluster: ChildProcess | undefined

afterEach(async () => {
  if (cluster === undefined || cluster.exitCode !== null) return
  const exited = once(cluster, 'exit')
  cluster.kill('SIGTERM')
  await exited
})

/** Starts a cluster on free ports, and resolves with what it printed once all of it runs; `output` goes on growing. */
async function startCluster(
  folder: string,
): Promise<{ url: string; pids: number[]; urls: string[]; output(): string }> {
  const child = spawn(process.execPath, [script, '--port', '0', '--folder', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cluster = child
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  await until(
    () => output.includes('Ctrl-C'),
    (check) => child.stdout.on('data', check),
  )
  const urls = [...output.matchAll(/^((?:http|postgres|redis):\/\/\S+)/gm)].map(([, url = '']) => url)
  const pids = [...output.matchAll(/instance, pid (\d+)/g)].map(([, pid]) => Number(pid))
  return { url: urls[0] ?? '', pids, urls, output: () => output }
}

test('npm run cluster: edits go on when an instance is killed, which is started again, and Ctrl-C ends all', async () => {
  const running = await startCluster(temporaryFolder())
  expect(running.pids).toHaveLength(3)
  const answer = await fetch(`${running.url}/api/demo/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'Ann' }),
  })
  const { token } = await answer.json()
  const front = { socketUrl: `${running.url.replace('http', 'ws')}/collab` }
  const ann = openClient(front, 'cluster/one', { token })
  await ann.synced()
  ann.text.insert(0, 'before')
  await ann.saved()

  // The first socket is on the first instance.
  const [pid = 0] = running.pids
  const disconnected = new Promise((resolve) => ann.socket.on('disconnect', resolve))
  process.kill(pid, 'SIGKILL')
  await disconnected
  ann.text.insert(6, ', after')
  await ann.saved()
  await vi.waitFor(() => expect(running.output()).toContain('runs again'), { timeout: 30_000 })
  // The token is good on each instance, and each has all of it.
  for (const { socketUrl } of running.urls
    .slice(1, 4)
    .map((url) => ({ socketUrl: `${url.replace('http', 'ws')}/collab` }))) {
    const reader = openClient({ socketUrl }, 'cluster/one', { token })
    await reader.synced()
    expect(reader.text.toString()).toBe('before, after')
    reader.destroy()
  }
  ann.destroy()

  const exited = once(cluster as ChildProcess, 'exit')
  cluster?.kill('SIGINT')
  expect(await exited).toEqual([0, null])
  for (const url of running.urls) {
    const { hostname, port } = new URL(url)
    await expect(fetch(`http://${hostname}:${port}/`)).rejects.toThrow('fetch failed')
  }
})
