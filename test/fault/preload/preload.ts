import { fileURLToPath } from 'node:url'

export type Preload = 'slow-commits' | 'slow-loads' | 'slow-lookups' | 'failing-lookups' | 'no-gate'

/** The environment of a server that is changed by these modules of this folder. The product itself has no such switch. */
export function preloading(modules: readonly Preload[], environment: Readonly<Record<string, string>> = {}) {
  const imports = modules.map((name) => `--import=${fileURLToPath(new URL(`./${name}.ts`, import.meta.url))}`)
  return { ...environment, NODE_OPTIONS: imports.join(' ') }
}
