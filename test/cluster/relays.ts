import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { parseRedisUrl } from '../../server/cluster/redis-url.ts'
import { Relay, type RelayMessage } from '../../server/cluster/relay.ts'

/** A relay of its own, as an instance has one, and what became of it. */
export interface TestRelay {
  readonly relay: Relay
  /** What was told: `up` and `down`, in order. */
  readonly changes: readonly ('up' | 'down')[]
  /** The lines of its log. */
  readonly log: readonly string[]
  /** Subscribes, and collects what arrives. */
  hear(topic: string): Promise<RelayMessage[]>
}

/** Closed after the test. */
export function openRelay(url: string, namespace = 'the-database'): TestRelay {
  const changes: ('up' | 'down')[] = []
  const log: string[] = []
  const relay = new Relay({
    redis: parseRedisUrl(url),
    namespace,
    logger: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
    onUp: () => void changes.push('up'),
    onDown: () => void changes.push('down'),
  })
  onTestFinished(() => relay.close())
  return {
    relay,
    changes,
    log,
    async hear(topic) {
      const heard: RelayMessage[] = []
      await relay.subscribe(topic, (message) => void heard.push(message))
      return heard
    },
  }
}

export const say = (payload: string): RelayMessage => ({ kind: 'stateless', payload })
