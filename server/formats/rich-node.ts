/** A node of a rich-text document, as Tiptap and ProseMirror write it in JSON. */
export interface RichNode {
  readonly type: string
  readonly attrs?: Attributes
  readonly content?: readonly RichNode[]
  readonly marks?: readonly RichMark[]
  /** Of nodes of the type `text`. */
  readonly text?: string
}

export interface RichMark {
  readonly type: string
  readonly attrs?: Attributes
}

export type Attributes = Readonly<Record<string, unknown>>

export function childrenOf({ content }: RichNode): readonly RichNode[] {
  return content ?? []
}

export function isText(node: RichNode): node is RichNode & { readonly text: string } {
  return node.type === 'text'
}

/** All the text in a node, without its formats. */
export function textIn(node: RichNode): string {
  return isText(node) ? node.text : childrenOf(node).map(textIn).join('')
}

export function textNode(text: string, marks: readonly RichMark[] = []): RichNode {
  return marks.length === 0 ? { type: 'text', text } : { type: 'text', marks, text }
}
