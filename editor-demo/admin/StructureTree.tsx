import { useState } from 'react'
import { type AdminClient, documentPath, wordsFor } from './api.ts'
import { type Part, partsOf, readDocument } from './structure.ts'

/** Parts that are shown of one at first, and with each look for more. */
const PAGE = 100

interface Props {
  readonly client: AdminClient
  readonly name: string
}

/** What the document is made of, read once it is asked for: the server gives bytes, and they are taken apart here. */
export function StructureTree({ client, name }: Props) {
  const [parts, setParts] = useState<readonly Part[]>()
  const [problem, setProblem] = useState('')
  const [isBusy, setBusy] = useState(false)
  const look = async () => {
    setBusy(true)
    setProblem('')
    try {
      setParts(partsOf(readDocument(await client.bytes(documentPath(name, '/parts')))))
    } catch (error) {
      setParts(undefined)
      setProblem(wordsFor(error))
    }
    setBusy(false)
  }
  return (
    <section aria-labelledby="structure">
      <h3 id="structure">What it is made of</h3>
      <button type="button" className="button" disabled={isBusy} onClick={look}>
        {parts === undefined ? 'Show what it says' : 'Read it again'}
      </button>
      {problem !== '' && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      {parts?.length === 0 && <p className="admin-soft">Nothing.</p>}
      {parts !== undefined && parts.length > 0 && <PartList parts={parts} />}
    </section>
  )
}

function PartList({ parts }: { readonly parts: readonly Part[] }) {
  const [shown, setShown] = useState(PAGE)
  return (
    <ul className="tree">
      {parts.slice(0, shown).map((part) => (
        <li key={part.key}>{part.children === undefined ? <code>{part.label}</code> : <Branch part={part} />}</li>
      ))}
      {parts.length > shown && (
        <li>
          <button type="button" className="text-button" onClick={() => setShown(shown + PAGE)}>
            {parts.length - shown} more
          </button>
        </li>
      )}
    </ul>
  )
}

/** What is inside is looked at when it is opened for the first time. */
function Branch({ part }: { readonly part: Part }) {
  const [children, setChildren] = useState<readonly Part[]>()
  return (
    <details onToggle={(event) => event.currentTarget.open && setChildren((known) => known ?? part.children?.())}>
      <summary>
        <code>{part.label}</code>
      </summary>
      {children !== undefined && <PartList parts={children} />}
    </details>
  )
}
