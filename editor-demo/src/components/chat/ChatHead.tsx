import type { RefObject } from 'react'
import { Icon } from '../Icon.tsx'

interface Props {
  readonly title: string
  /** Of a direct chat. */
  readonly direct: { readonly canCall: boolean; onBack(): void; onCall(): void } | undefined
  readonly searching: boolean
  readonly searchButton: RefObject<HTMLButtonElement | null>
  onSearch(): void
  onClose(): void
}

/** What the room is called, and what can be done with all of it. */
export function ChatHead({ title, direct, searching, searchButton, onSearch, onClose }: Props) {
  return (
    <div className="side-head">
      {direct !== undefined && (
        <button type="button" className="icon-button" aria-label="Back to the document’s chat" onClick={direct.onBack}>
          <Icon name="back" />
        </button>
      )}
      <h2>{title}</h2>
      {direct !== undefined && (
        <button
          type="button"
          className="icon-button"
          aria-label={`Call ${title}`}
          data-tooltip="Call"
          disabled={!direct.canCall}
          onClick={direct.onCall}
        >
          <Icon name="phone" />
        </button>
      )}
      <button
        ref={searchButton}
        type="button"
        className="icon-button"
        aria-label="Search"
        aria-expanded={searching}
        data-tooltip="Search"
        onClick={onSearch}
      >
        <Icon name="search" />
      </button>
      <button type="button" className="icon-button" aria-label="Close the chat" onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  )
}
