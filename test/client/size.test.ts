import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Rolldown } from 'vite'
import { expect, test } from 'vitest'

const entry = fileURLToPath(new URL('../../client/index.ts', import.meta.url))
/** Yjs and the provider, with what they bring along themselves. */
const NOT_COUNTED = /^(yjs|y-protocols|lib0|@hocuspocus\/provider)(\/|$)/
const MAX_BYTES = 40_000

test('the client library adds at most 40 kB, gzipped, to Yjs and the provider', async () => {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, lib: { entry, formats: ['es'] }, rolldownOptions: { external: NOT_COUNTED } },
  })
  const outputs = (Array.isArray(built) ? built : [built]) as Rolldown.RolldownOutput[]
  const chunks = outputs.flatMap(({ output }) => output).filter((file) => file.type === 'chunk')
  const imported = new Set(chunks.flatMap(({ imports }) => imports))
  expect([...imported].filter((name) => NOT_COUNTED.test(name))).toContain('yjs')
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds)
  // What is said to be small is small because it does little, not because the library was left out.
  expect(modules.some((id) => id.endsWith('/client/document.ts'))).toBe(true)
  expect(modules.some((id) => /\/client\/(react|calls)\/|\/node_modules\/zod\//.test(id))).toBe(false)
  const bytes = chunks.reduce((sum, { code }) => sum + gzipSync(code).length, 0)
  console.log(`the client library: ${bytes} bytes gzipped`)
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES)
})
