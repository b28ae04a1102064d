import { createCoweave } from '../../../server/index.ts'
import { seedBy } from '../seeds.ts'

/** An instance in a process of its own, whose documents begin with its name. Prints its port. */
const [, , name = '', DATABASE_URL = '', JWT_SECRET = ''] = process.argv
const settings = { DATABASE_URL, JWT_SECRET, PORT: 0, LOG_LEVEL: 'silent', IDLE_DOCUMENT_TIME: 0 }
const coweave = await createCoweave({ settings, seed: seedBy(name) })
process.stdout.write(`${await coweave.start()}\n`)
process.once('SIGTERM', () => coweave.stop())
