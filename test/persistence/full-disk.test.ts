import { execFileSync, spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteLog } from '../../persistence/sqlite/sqlite-log.ts'
import { type Child, nextLine, startChild } from './child.ts'
import { makeFolder } from './folder.ts'
import { readAll, textOf } from './updates.ts'

const mayMount = (() => {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  return spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
})()

/** Appends until it is refused; returns the positions that were acknowledged and the error's code. */
async function appendUntilRefused(child: Child, letter: string): Promise<{ positions: number[]; code: string }> {
  const positions: number[] = []
  for (;;) {
    child.say(letter)
    const answer = await nextLine(child)
    if (answer.startsWith('storage/')) return { positions, code: answer }
    positions.push(Number(answer))
  }
}

/** Takes space away until appends are refused, gives it back: nothing acknowledged is lost, nothing else is there. */
async function expectToSurvive(file: string, limit: (child: Child) => void, lift: (child: Child) => void) {
  const child = startChild('append-when-told', file)
  expect(await nextLine(child)).toBe('ready')
  child.say('a')
  expect(await nextLine(child)).toBe('1')
  limit(child)
  const { positions, code } = await appendUntilRefused(child, 'b')
  for (let times = 0; times < 3; times++) {
    child.say('c')
    expect(await nextLine(child)).toBe(code)
  }
  lift(child)
  child.say('d')
  expect(await nextLine(child)).toBe(`${positions.length + 2}`)
  child.end()
  expect(await child.exited).toEqual({ code: 0, stderr: '' })

  const log = await openSqliteLog({ file })
  const letters = (await readAll(log, 'a')).map((row) => textOf(row.data).slice(0, 1))
  expect(letters).toEqual(['a', ...positions.map(() => 'b'), 'd'])
  expect((await Array.fromAsync(log.check())).filter((damage) => damage.document === undefined)).toEqual([])
  await log.close()
  return code
}

// Where mounting is not allowed, the file size limit below stands in for the full disk.
test.runIf(mayMount)('[promise 1] a full disk refuses appends, and takes them again once there is space', async () => {
  const folder = await makeFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder])
  onTestFinished(() => {
    execFileSync('umount', [folder])
  })
  const filler = join(folder, 'filler')
  const code = await expectToSurvive(
    join(folder, 'log.db'),
    () => writeFileSync(filler, new Uint8Array(1_000_000)),
    () => rmSync(filler),
  )
  expect(code).toBe('storage/full')
})

test('[promise 1] files that may not grow refuse appends, and take them again once they may', async () => {
  const setLimit = ({ pid }: Child, bytes: string) =>
    execFileSync('prlimit', ['--pid', `${pid}`, `--fsize=${bytes}:unlimited`])
  const code = await expectToSurvive(
    join(await makeFolder(), 'log.db'),
    (child) => setLimit(child, '400000'),
    (child) => setLimit(child, 'unlimited'),
  )
  expect(code).toBe('storage/unavailable')
})
