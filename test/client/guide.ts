import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where what the guide imports is, while nothing is published. */
const PACKAGES = {
  'coweave/client': 'client/index.ts',
  'coweave/calls': 'client/calls/index.ts',
  'coweave/react': 'client/react/index.ts',
  'coweave/server': 'server/index.ts',
} as const

/** The files of a guide, by name. @throws {Error} for a block of code without a title, which nobody would test */
export function guideFiles(page = 'docs/client.md'): Map<string, string> {
  const files = new Map<string, string>()
  for (const [, info = '', code = ''] of readFileSync(join(root, page), 'utf8').matchAll(
    /^```(tsx?\b.*)\n([\s\S]*?)^```$/gm,
  )) {
    const [, title] = /title=(\S+)/.exec(info) ?? []
    if (title === undefined) throw new Error(`a block without a title: ${code.slice(0, 60)}`)
    files.set(title, code)
  }
  return files
}

/**
 * Writes the guide's files into a new folder inside of the project, where its packages are found. They stay as they
 * are, but for the server's address and the packages' names. The caller removes the folder.
 */
export function writeGuide(serverUrl: string, page?: string): string {
  mkdirSync(join(root, 'test-results'), { recursive: true })
  const folder = mkdtempSync(join(root, 'test-results', 'guide-'))
  for (const [title, code] of guideFiles(page)) {
    let text = code.replaceAll('http://127.0.0.1:1234', serverUrl)
    for (const [name, path] of Object.entries(PACKAGES)) {
      text = text.replaceAll(`from '${name}'`, `from '${relative(folder, join(root, path))}'`)
    }
    writeFileSync(join(folder, title), text)
  }
  const tsconfig = { extends: '../../tsconfig.json', include: ['*'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
  return folder
}
