import type { RefusedChange } from '../hooks/use-refused-change.ts'

interface Props {
  /** Of the document. */
  readonly name: string
  readonly change: RefusedChange
  onDismiss(): void
}

/** The server did not take the last changes: why, and a way to keep them. */
export function RefusedText({ name, change: { reason, text }, onDismiss }: Props) {
  return (
    <div className="banner" role="alert">
      <p>
        <strong>Not accepted.</strong> The server turned the last changes down, and the text is as it was before them:{' '}
        {reason}.
      </p>
      <a
        className="button"
        href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
        download={`${name.split('/').at(-1)}.txt`}
      >
        Download your text
      </a>
      <button type="button" className="button button-quiet" onClick={onDismiss}>
        Dismiss
      </button>
    </div>
  )
}
