import { useState } from 'react'
import { Action } from './Action.tsx'
import type { AdminClient } from './api.ts'

const lengths = [
  { minutes: 5, words: '5 minutes' },
  { minutes: 60, words: 'an hour' },
  { minutes: 24 * 60, words: 'a day' },
  { minutes: 7 * 24 * 60, words: 'a week' },
] as const

interface Props {
  readonly client: AdminClient
  readonly user: string
  /** '' for all documents. */
  readonly document: string
  /** Told what was done. */
  onDone(words: string): void
}

/** What can be done to a user, in one document or all. */
export function UserActions({ client, user, document, onDone }: Props) {
  const [minutes, setMinutes] = useState(5)
  const place = document === '' ? 'all documents' : `${document} and the chat beside it`
  const target = { user, ...(document === '' ? {} : { document }) }
  const act = async (action: string, body: object, words: string) => {
    await client.send('POST', `/api/admin/${action}`, body)
    onDone(words)
  }
  return (
    <span className="admin-buttons">
      <Action
        label="Kick"
        name={`Kick ${user}`}
        title={`Kick ${user}?`}
        onConfirm={() => act('kick', target, `${user} was kicked.`)}
      >
        Closes the connections of {user} to {place}, on every instance. Nothing keeps {user} from coming back.
      </Action>
      <Action
        label="Mute"
        name={`Mute ${user}`}
        title={`Mute ${user}?`}
        onConfirm={() => act('mute', { ...target, minutes }, `${user} was muted.`)}
      >
        {user} may read {place}, and neither write nor post there, on every instance, for{' '}
        <select
          className="field"
          aria-label="How long"
          value={minutes}
          onChange={(e) => setMinutes(Number(e.target.value))}
        >
          {lengths.map(({ minutes, words }) => (
            <option key={minutes} value={minutes}>
              {words}
            </option>
          ))}
        </select>
      </Action>
      <Action
        label="Revoke"
        name={`Revoke the tokens of ${user}`}
        title={`Revoke the tokens of ${user}?`}
        isDangerous
        onConfirm={() => act('revoke', { user }, `The tokens of ${user} were revoked.`)}
      >
        Refuses every token that {user} has got until now, for all documents, and closes the connections made with them.
        A new token lets {user} in again.
      </Action>
    </span>
  )
}
