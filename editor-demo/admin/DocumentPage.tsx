import { useState } from 'react'
import { Action } from './Action.tsx'
import { type AdminClient, type DocumentLog, documentPath } from './api.ts'
import { RowTimeline } from './RowTimeline.tsx'
import { StructureTree } from './StructureTree.tsx'
import { UserActions } from './UserActions.tsx'
import { useAsked } from './use-asked.ts'
import { authorText, bytesText, count, timeText } from './words.ts'

const POLL_MS = 2_000
const PAGE = 50

/** One document: its log, who has it open here, what it is made of, and what can be done to it. */
export function DocumentPage({ client, name }: { readonly client: AdminClient; readonly name: string }) {
  const [before, setBefore] = useState<number>()
  const [done, setDone] = useState('')
  const path = documentPath(name, `?limit=${PAGE}${before === undefined ? '' : `&before=${before}`}`)
  const { answer, problem, again } = useAsked<DocumentLog>(client, path, before === undefined ? POLL_MS : 0)
  const finish = (words: string) => {
    setDone(words)
    again()
  }
  return (
    <>
      <h2 className="document-title">{name}</h2>
      {problem !== '' && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      <p role="status">{done}</p>
      {answer !== undefined && (
        <>
          <Log log={answer} />
          <span className="admin-buttons">
            <Action
              label="Compact"
              title={`Compact ${name}?`}
              onConfirm={async () => {
                await client.send('POST', documentPath(name, '/compact'), {})
                finish('A snapshot was written.')
              }}
            >
              Writes a snapshot of the document from its log. Its rows stay. It happens by itself when it pays.
            </Action>
            <Action
              label="Erase"
              title={`Erase ${name} for ever?`}
              isDangerous
              onConfirm={async () => {
                await client.send('DELETE', `/api/documents/${encodeURIComponent(name)}?erase=true`)
                finish('The document was erased.')
              }}
            >
              Everybody who has it open is sent away. Its {count(answer.position, 'row')}, its snapshot, its history and
              the chat beside it are gone at once. This can’t be undone.
            </Action>
          </span>
          <section aria-labelledby="people">
            <h3 id="people">Who has it open here</h3>
            {answer.open === undefined && <p className="admin-soft">Nobody.</p>}
            <ul className="documents">
              {answer.open?.users.map(({ user, name: shown, connections, level, isMuted }) => (
                <li key={user} data-user={user}>
                  <strong>{shown === user ? user : `${shown} (${user})`}</strong>
                  <span className="admin-soft">
                    {count(connections, 'connection')}, {isMuted ? 'muted' : level}
                  </span>
                  <UserActions client={client} user={user} document={name} onDone={finish} />
                </li>
              ))}
            </ul>
          </section>
          <StructureTree key={answer.deleted?.at} client={client} name={name} />
          <section aria-labelledby="rows">
            <h3 id="rows">Rows of its log</h3>
            <RowTimeline rows={answer.rows} />
            <Rows log={answer} />
            <div className="admin-pages">
              {before !== undefined && (
                <button type="button" className="button" onClick={() => setBefore(undefined)}>
                  Newest rows
                </button>
              )}
              {answer.next !== undefined && (
                <button type="button" className="button" onClick={() => setBefore(answer.next)}>
                  Older rows
                </button>
              )}
            </div>
          </section>
        </>
      )}
    </>
  )
}

function Log({ log }: { readonly log: DocumentLog }) {
  const { position, forgotten, bytes, snapshot, createdAt, updatedAt, deleted, open } = log
  const figures = [
    ['Position', position.toLocaleString('en')],
    ['All rows', bytesText(bytes)],
    ...(forgotten === 0 ? [] : [['Forgotten up to', forgotten.toLocaleString('en')] as const]),
    ['Snapshot', snapshot.position === 0 ? 'none' : `at ${snapshot.position}, ${bytesText(snapshot.bytes)}`],
    ['In memory here', open === undefined ? 'no' : bytesText(open.bytes)],
    ['Created', timeText(createdAt)],
    ['Changed', timeText(updatedAt)],
    ...(deleted === undefined
      ? []
      : [[deleted.isErased ? 'Erased' : 'Deleted', `${timeText(deleted.at)} by ${authorText(deleted.by)}`] as const]),
  ] as const
  return (
    <dl className="figures">
      {figures.map(([title, value]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function Rows({ log }: { readonly log: DocumentLog }) {
  return (
    <table className="rows">
      <thead>
        <tr>
          <th scope="col">Position</th>
          <th scope="col">Time</th>
          <th scope="col">Author</th>
          <th scope="col">Bytes</th>
        </tr>
      </thead>
      <tbody>
        {log.rows.map(({ position, at, author, bytes }) => (
          <tr key={position}>
            <td>{position}</td>
            <td>{timeText(at)}</td>
            <td>{authorText(author)}</td>
            <td>{bytes.toLocaleString('en')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
