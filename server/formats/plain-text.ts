import { childrenOf, isText, type RichNode, textNode } from './rich-node.ts'

/** What a document says, a text block a line, without its formats; what holds no text isn't there. */
export function toText(doc: RichNode): string {
  return linesOf(doc).join('\n')
}

/** A paragraph for each line. */
export function fromText(text: string): RichNode {
  const lines = text.toWellFormed().split(/\r\n?|\n/)
  return { type: 'doc', content: text === '' ? [] : lines.map(paragraph) }
}

function paragraph(text: string): RichNode {
  return text === '' ? { type: 'paragraph' } : { type: 'paragraph', content: [textNode(text)] }
}

function linesOf(node: RichNode): string[] {
  const children = childrenOf(node)
  const lines: string[] = []
  let line: string | undefined
  const end = () => {
    if (line !== undefined) lines.push(line)
    line = undefined
  }
  for (const child of children) {
    if (isText(child)) line = (line ?? '') + child.text
    else if (child.type === 'hardBreak') line = `${line ?? ''}\n`
    else {
      end()
      for (const inner of linesOf(child)) lines.push(inner)
    }
  }
  end()
  return children.length === 0 && TEXT_BLOCKS.has(node.type) ? [''] : lines
}

const TEXT_BLOCKS = new Set(['paragraph', 'heading', 'codeBlock'])
