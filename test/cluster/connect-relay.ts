import { pino } from 'pino'
import { parseRedisUrl } from '../../server/cluster/redis-url.ts'
import { Relay } from '../../server/cluster/relay.ts'

// A process of its own that tells when its relay is up, and ends.
const relay: Relay = new Relay({
  redis: parseRedisUrl(process.env.REDIS_URL ?? ''),
  namespace: 'the-database',
  logger: pino({ level: 'silent' }),
  onUp() {
    console.log('up')
    void relay.close()
  },
})
