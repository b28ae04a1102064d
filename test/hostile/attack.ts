import { expect } from 'vitest'
import { CloseCode } from '../../model/close-codes.ts'
import type { FrameSocket } from '../support/frame-socket.ts'
import { deniedReason } from '../support/messages.ts'

/** One thing a hostile client does on a socket of its own, and what must come of it. */
export interface Attack {
  readonly title: string
  readonly run: (socket: FrameSocket) => void
  readonly expected: Outcome
}

/**
 * - a number: the server closes with this code
 * - `denied …`: the document is denied with a reason that starts so
 * - `ignored`: nothing happens, and the socket goes on being served
 * - `refused or served`: chance decides; the server closes with a documented code, or goes on serving the socket
 */
export type Outcome = number | `denied ${string}` | 'ignored' | 'refused or served'

type Probe = (socket: FrameSocket) => Promise<unknown>

const PARALLEL = 25
/** An attack that nothing came of by then has found a hang. */
const DEADLINE_MS = 20_000
/** What the server may close with when chance decides what a frame means. */
const REFUSALS: readonly number[] = [
  CloseCode.Malformed,
  CloseCode.Unauthorized,
  CloseCode.ClientIdTaken,
  CloseCode.TooBig,
  CloseCode.TooMany,
]

/**
 * Runs each attack on a socket that `open` makes and compares what came of it. `probe` asks for something on a socket
 * that should still be served and resolves with the answer.
 */
export async function runAttacks(
  attacks: readonly Attack[],
  open: () => Promise<FrameSocket>,
  probe: Probe,
): Promise<void> {
  const outcomes: Record<string, Outcome | string> = {}
  for (let start = 0; start < attacks.length; start += PARALLEL) {
    await Promise.all(
      attacks.slice(start, start + PARALLEL).map(async (attack, index) => {
        const socket = await open()
        try {
          attack.run(socket)
          outcomes[`${start + index} ${attack.title}`] = await outcomeOf(attack.expected, socket, probe)
        } finally {
          socket.destroy()
        }
      }),
    )
  }
  const expected = Object.fromEntries(attacks.map((attack, index) => [`${index} ${attack.title}`, attack.expected]))
  expect(outcomes).toEqual(expected)
}

async function outcomeOf(expected: Outcome, socket: FrameSocket, probe: Probe): Promise<Outcome | string> {
  const closed = socket.closed.then(({ code }) => code)
  const hung = new Promise<string>((resolve) => {
    setTimeout(resolve, DEADLINE_MS, 'nothing happened').unref()
  })
  // A probe or a message that rejects does so because the socket was closed.
  const served = async () => {
    await probe(socket)
    return 'ignored' as const
  }
  if (expected === 'ignored') return Promise.race([served().catch(() => closed), hung])
  if (expected === 'refused or served') {
    const outcome = await Promise.race([served().catch(() => closed), hung])
    return outcome === 'ignored' || REFUSALS.includes(Number(outcome)) ? expected : outcome
  }
  if (typeof expected === 'number') return Promise.race([closed, hung])
  const prefix = expected.slice('denied '.length)
  const denied = socket.message((message) => deniedReason(message)?.startsWith(prefix) === true)
  return Promise.race([denied.then(() => expected).catch(() => closed), hung])
}
