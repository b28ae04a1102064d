import { type ReactNode, useEffect } from 'react'
import { DEFAULT_DOCUMENT } from '../route.ts'
import { Notice } from './Notice.tsx'

interface Props {
  readonly problem: string
  readonly menuButton: ReactNode
  onOpen(name: string): void
}

export function BadAddress({ problem, menuButton, onOpen }: Props) {
  useEffect(() => {
    document.title = 'No such document · Coweave'
  }, [])
  return (
    <>
      <header className="head">
        <div className="top-bar">{menuButton}</div>
      </header>
      <Notice
        title="There can’t be a document here"
        actions={
          <button type="button" className="button button-primary" onClick={() => onOpen(DEFAULT_DOCUMENT)}>
            Open the welcome page
          </button>
        }
      >
        <p>The address does not name a document: {problem}.</p>
      </Notice>
    </>
  )
}
