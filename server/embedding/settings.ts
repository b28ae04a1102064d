import { CoweaveError } from '../../model/errors.ts'
import { type Config, readConfig, settings } from '../config.ts'

/** The settings of the `coweave` command, by the same names: as they are meant, or as text of an environment. */
export type Settings = { readonly [Name in keyof Config]?: Config[Name] | string | undefined }

/**
 * What `given` sets, with defaults for the rest; the environment of the process does not count.
 * @throws {CoweaveError} `config/invalid`, naming each wrong setting
 */
export function readSettings(given: Settings): Config {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(settings, name))
  if (unknown.length > 0) throw new CoweaveError('config/invalid', `there are no such settings: ${unknown.join(', ')}`)
  return readConfig(
    Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value === undefined ? undefined : String(value)]),
    ),
  )
}
