import type { ReactNode } from 'react'
import type { Change, Entry, HistoryNode } from '../../../../client/index.ts'
import type { Look } from '../../history/timeline.ts'
import { HistoryRun } from './HistoryRun.tsx'
import { Signed, useLabel } from './Signed.tsx'

interface Props {
  readonly node: HistoryNode
  readonly look: Look
}

/** A part of the text with all that is in it. What changed as a whole has a line at its side. */
export function HistoryBlock({ node, look }: Props) {
  if (node.type === 'text') {
    return node.runs.map((run, index) => <HistoryRun key={index} run={run} look={look} />)
  }
  if (node.type === 'omitted') return <p>…</p>
  if (!('children' in node)) return null
  const children = node.children.map((child, index) => <HistoryBlock key={index} node={child} look={look} />)
  if (node.type === 'fragment') return children
  const change = look === 'changes' ? (node.change ?? changeOf(node.attributes)) : undefined
  return <Element name={node.name} attributes={node.attributes} change={change} children={children} />
}

interface ElementProps {
  readonly name: string
  readonly attributes: readonly Entry[]
  readonly change: Change | undefined
  readonly children: readonly ReactNode[]
}

function Element({ name, attributes, change, children }: ElementProps) {
  const label = useLabel(change)
  const changed = change && { 'data-change': change.kind, 'data-tooltip': label }
  const words = change && change.kind !== 'inserted' && <Signed change={change} />
  const text = children.length === 0 ? <br /> : children
  if (name === 'hardBreak') return <br />
  if (name === 'horizontalRule') return <hr {...changed} />
  if (name === 'heading') {
    const level = attributeOf(attributes, 'level')
    const Heading = level === 1 ? 'h1' : level === 2 ? 'h2' : 'h3'
    return (
      <Heading {...changed}>
        {words}
        {text}
      </Heading>
    )
  }
  if (name === 'codeBlock') {
    return (
      <pre {...changed}>
        {words}
        <code>{text}</code>
      </pre>
    )
  }
  if (name === 'blockquote') return <blockquote {...changed}>{children}</blockquote>
  if (name === 'bulletList') return <ul {...changed}>{children}</ul>
  if (name === 'orderedList') {
    const start = attributeOf(attributes, 'start')
    return (
      <ol {...changed} start={typeof start === 'number' ? start : undefined}>
        {children}
      </ol>
    )
  }
  if (name === 'listItem') return <li {...changed}>{children}</li>
  if (name === 'taskList') {
    return (
      <ul {...changed} data-type="taskList">
        {children}
      </ul>
    )
  }
  if (name === 'taskItem') {
    const isDone = attributeOf(attributes, 'checked') === true
    return (
      <li {...changed} data-checked={isDone}>
        <label>
          <input type="checkbox" checked={isDone} disabled aria-label={isDone ? 'Done' : 'Not done'} />
        </label>
        <div>
          {children}
          {words}
        </div>
      </li>
    )
  }
  return (
    <p {...changed}>
      {words}
      {text}
    </p>
  )
}

/** An attribute that is another one now: the level of a heading, whether a task is done. */
function changeOf(attributes: readonly Entry[]): Change | undefined {
  const change = attributes.find((entry) => entry.change !== undefined)?.change
  return change && { ...change, kind: 'changed' }
}

/** As it is; what has been deleted is an attribute only of what was deleted with it. */
function attributeOf(attributes: readonly Entry[], key: string): unknown {
  const entry = attributes.find((entry) => entry.key === key)
  return entry !== undefined && 'value' in entry ? entry.value : undefined
}
