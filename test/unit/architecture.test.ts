import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && ['server', 'persistence', 'model', 'client'].includes(entry.name))
  .map(({ name }) => name)

/** What each top-level folder may import from, beside itself. */
const allowed: Record<string, readonly string[]> = {
  server: ['persistence', 'model'],
  persistence: ['model'],
  client: ['model'],
  model: [],
}

interface Import {
  readonly file: string
  readonly from: string
}

function importsOf(folder: string): Import[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return files
    .filter((name) => /\.tsx?$/.test(name))
    .flatMap((name) => {
      const file = join(folder, name)
      const text = readFileSync(join(root, file), 'utf8')
      const specifiers = text.matchAll(
        /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]|\bimport\(?\s*['"]([^'"]+)['"]/g,
      )
      return [...specifiers].map(([, first, second]) => ({ file, from: first ?? second ?? '' }))
    })
}

const isRelative = (from: string) => from.startsWith('.')
const target = ({ file, from }: Import) => relative(root, resolve(root, dirname(file), from))
/** `coweave doctor` runs the checks that a page can run on itself. */
const isDoctor = (each: Import) => each.file.startsWith('server/doctor/') && target(each).startsWith('client/')
const shown = (imports: Import[]) => imports.map(({ file, from }) => `${file} imports ${from}`)

test('imports go downwards only: server → persistence → model, client → model; the doctor → client', () => {
  expect(folders).toEqual(expect.arrayContaining(['server', 'persistence', 'model']))
  for (const folder of folders) {
    const imports = importsOf(folder)
    expect(imports.length).toBeGreaterThan(0)
    const upwards = imports.filter((each) => {
      const [top = ''] = target(each).split('/')
      return isRelative(each.from) && top !== folder && !allowed[folder]?.includes(top) && !isDoctor(each)
    })
    expect(shown(upwards)).toEqual([])
  }
})

test('the demo builds on what an app can use of the client library, and on the model', () => {
  const offered = /^(client\/(index|calls\/index|react\/index|doctor)\.ts$|model\/|editor-demo\/)/
  const imports = ['src', 'minimal', 'admin'].flatMap((folder) => importsOf(`editor-demo/${folder}`))
  expect(imports.map(target)).toContain('client/react/index.ts')
  expect(shown(imports.filter((each) => isRelative(each.from) && !offered.test(target(each))))).toEqual([])
})

test('model imports nothing but yjs and lib0', () => {
  const others = importsOf('model').filter(({ from }) => !isRelative(from) && !/^(yjs|lib0)(\/|$)/.test(from))
  expect(shown(others)).toEqual([])
})

test('persistence knows nothing of Hocuspocus, sockets or HTTP', () => {
  const others = importsOf('persistence').filter(({ from }) =>
    /^(@hocuspocus\/|ws$|fastify$|@fastify\/|node:(http|https|net|tls)$|jsonwebtoken$)/.test(from),
  )
  expect(shown(others)).toEqual([])
})

test('no two top-level folders import each other', () => {
  const edges = folders.flatMap((folder) =>
    importsOf(folder)
      .filter(({ from }) => isRelative(from))
      .map((each) => [folder, target(each).split('/')[0] ?? ''] as const)
      .filter(([from, to]) => from !== to),
  )
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    edges.some(([source, next]) => {
      if (source !== from || seen.has(next)) return false
      seen.add(next)
      return next === to || reaches(next, to, seen)
    })
  expect(folders.filter((folder) => reaches(folder, folder))).toEqual([])
})
