import { Notice } from './Notice.tsx'

/** A server with a key of its own: whoever runs it hands out the tokens. */
export function TokenMissing() {
  return (
    <main className="alone">
      <Notice
        title="This server needs a token"
        actions={
          <button type="button" className="button button-primary" onClick={() => location.reload()}>
            Try again
          </button>
        }
      >
        <p>It is not in demo mode, so it hands out no tokens by itself. Put yours at the end of the address:</p>
        <p>
          <code className="sample">
            {location.origin}/d/notes/welcome#token=<var>your token</var>
          </code>
        </p>
        <p className="notice-detail">
          A token is a JWT with <code>sub</code>, <code>name</code>, <code>exp</code> and <code>access</code>, for
          example <code>{'{ "notes/**": "write" }'}</code>, signed with the server’s key.
        </p>
      </Notice>
    </main>
  )
}
