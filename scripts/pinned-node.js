// Makes sure that what follows it in an npm script runs with Node 24, whatever Node the system has: the pinned one is
// linked as node_modules/.bin/node, which comes first there. npm 10 removes that link again, together with the
// packages for other platforms. Plain JavaScript, since it is the one file that an older Node runs.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = 24
const modules = fileURLToPath(new URL('../node_modules', import.meta.url))

if (!existsSync(modules)) fail('nothing is installed: npm install')
if (!hasLink()) {
  const pinned = readdirSync(modules).find((name) => /^node-(bin-)?(linux|darwin|win)-/.test(name))
  if (pinned !== undefined) spawnSync('npm', ['rebuild', pinned], { shell: process.platform === 'win32' })
  const isNewEnough = Number(process.versions.node.split('.')[0]) >= NEEDED
  if (!hasLink() && !isNewEnough) fail(`Node ${NEEDED} is needed, and there is no pinned one for this platform`)
}

function hasLink() {
  return ['node', 'node.cmd'].some((file) => existsSync(join(modules, '.bin', file)))
}

function fail(problem) {
  process.stderr.write(`${problem}\n`)
  process.exit(1)
}
