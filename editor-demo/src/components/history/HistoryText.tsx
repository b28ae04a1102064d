import type { HistoryNode } from '../../../../client/index.ts'
import type { Shown } from '../../history/timeline.ts'
import { HistoryBlock } from './HistoryBlock.tsx'

/** Where the editor keeps its text. */
const FIELD = 'default'

/** The document as it was, read-only, with what changed in it, or with who wrote it. */
export function HistoryText({ shown }: { shown: Shown }) {
  const blocks = childrenOf(shown.content.roots.find(({ name }) => name === FIELD)?.content)
  return (
    <article className="page" aria-label="The text of then">
      <div className="prose history-text">
        {blocks.length === 0 && <p className="history-empty">There was no text yet.</p>}
        {blocks.map((block, index) => (
          <HistoryBlock key={index} node={block} look={shown.look} />
        ))}
      </div>
    </article>
  )
}

function childrenOf(content: HistoryNode | undefined): readonly HistoryNode[] {
  return content !== undefined && 'children' in content ? content.children : []
}
