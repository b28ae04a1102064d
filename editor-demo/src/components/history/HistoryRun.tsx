import type { ReactNode } from 'react'
import type { Marks, Run } from '../../../../client/index.ts'
import { isAllowedHref } from '../../editor/link.ts'
import type { Look } from '../../history/timeline.ts'
import { HistoryBlock } from './HistoryBlock.tsx'
import { Signed } from './Signed.tsx'

/** A piece of text with its marks, in the colour of who wrote, deleted or formatted it. */
export function HistoryRun({ run, look }: { run: Run; look: Look }) {
  const content =
    'text' in run ? run.text : 'node' in run ? <HistoryBlock node={run.node} look={look} /> : <span>…</span>
  const text = marked(content, run.marks)
  if (look === 'text' || run.change === undefined) return text
  return (
    <Signed change={run.change} isBlame={look === 'authors'}>
      {text}
    </Signed>
  )
}

function marked(content: ReactNode, marks: Marks): ReactNode {
  return Object.entries(marks).reduce<ReactNode>((inner, [name, value]) => {
    if (name === 'bold') return <strong>{inner}</strong>
    if (name === 'italic') return <em>{inner}</em>
    if (name === 'underline') return <u>{inner}</u>
    if (name === 'strike') return <s>{inner}</s>
    if (name === 'code') return <code>{inner}</code>
    const href = name === 'link' ? hrefIn(value) : undefined
    if (href === undefined) return inner
    return (
      <a href={href} rel="noopener noreferrer nofollow" target="_blank">
        {inner}
      </a>
    )
  }, content)
}

/** Whoever wrote it chose the address, with whatever client. */
function hrefIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('href' in value)) return undefined
  return typeof value.href === 'string' && isAllowedHref(value.href) ? value.href : undefined
}
