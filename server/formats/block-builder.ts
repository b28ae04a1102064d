import { type Attributes, isText, type RichMark, type RichNode, textNode } from './rich-node.ts'

/** Collects blocks, and what stands between them in paragraphs of its own. */
export class BlockBuilder {
  readonly blocks: RichNode[] = []
  readonly #textBlock: { readonly type: string; readonly attrs?: Attributes }
  #inline: { readonly node: RichNode; readonly collapses: boolean }[] = []

  /** `textBlock` is what inline content becomes. */
  constructor(textBlock: { readonly type: string; readonly attrs?: Attributes } = { type: 'paragraph' }) {
    this.#textBlock = textBlock
  }

  addBlocks(blocks: readonly RichNode[]): void {
    this.flush()
    for (const block of blocks) this.blocks.push(block)
  }

  addInline(node: RichNode): void {
    this.#inline.push({ node, collapses: false })
  }

  /** Text as it is shown: any white space in it is one space, and none where a line begins or ends. */
  addText(text: string, marks: readonly RichMark[]): void {
    const last = this.#inline.at(-1)
    const collapsed = text.replace(/[ \t\n\r\f]+/g, ' ')
    const isBehindSpace =
      last === undefined || last.node.type === 'hardBreak' || (last.collapses && endsInSpace(last.node))
    const shown = isBehindSpace ? collapsed.replace(/^ /, '') : collapsed
    if (shown !== '') this.#inline.push({ node: textNode(shown, marks), collapses: true })
  }

  /** Ends the paragraph. With `always`, also one that holds nothing. */
  flush(always = false): void {
    const inline = this.#inline
    this.#inline = []
    const content = inline.map(({ node, collapses }, index) => {
      const next = inline[index + 1]
      const isBeforeEnd = next === undefined || next.node.type === 'hardBreak'
      return collapses && isBeforeEnd && isText(node) ? { ...node, text: node.text.replace(/ $/, '') } : node
    })
    const shown = content.filter((node) => !isText(node) || node.text !== '')
    if (shown.length > 0 || always) this.blocks.push({ ...this.#textBlock, content: shown })
  }
}

/** Blocks as the content of a list item, which begins with a paragraph. */
export function itemContent(blocks: readonly RichNode[]): readonly RichNode[] {
  return blocks[0]?.type === 'paragraph' ? blocks : [{ type: 'paragraph' }, ...blocks]
}

function endsInSpace(node: RichNode): boolean {
  return isText(node) && node.text.endsWith(' ')
}
