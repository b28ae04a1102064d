import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeSettings } from '../server/config.ts'

/** Writes the settings into the README. `--check` only tells whether they are up to date. */
const file = fileURLToPath(new URL('../README.md', import.meta.url))
const readme = readFileSync(file, 'utf8')
const rows = describeSettings().map(({ name, default: fallback, meaning }) => {
  return `| \`${name}\` | ${fallback === '' ? '' : `\`${fallback}\``} | ${meaning.replaceAll('|', '\\|')} |`
})
const table = ['| setting | default | meaning |', '|---|---|---|', ...rows].join('\n')
const updated = readme.replace(
  /<!-- settings -->[\s\S]*<!-- \/settings -->/,
  () => `<!-- settings -->\n${table}\n<!-- /settings -->`,
)
if (!process.argv.includes('--check')) writeFileSync(file, updated)
else if (updated !== readme) {
  process.stderr.write('the settings in README.md are out of date: node scripts/settings-table.ts\n')
  process.exit(1)
}
