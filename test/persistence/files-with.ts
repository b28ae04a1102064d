import { spawnSync } from 'node:child_process'

/** The files in `folder` that hold `text`. By another process: this one would drop SQLite's locks. */
export function filesWith(folder: string, text: string): string[] {
  const { stdout } = spawnSync('grep', ['-rlaF', text, folder], { encoding: 'utf8' })
  return stdout.split('\n').filter((line) => line !== '')
}
