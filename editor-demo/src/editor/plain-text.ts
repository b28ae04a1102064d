import * as Y from 'yjs'

/** What a document says, a block a line, without its formats. */
export function plainText(ydoc: Y.Doc): string {
  return linesIn(ydoc.getXmlFragment('default')).join('\n')
}

function linesIn(parent: Y.XmlFragment): string[] {
  return parent.toArray().flatMap((child) => {
    if (child instanceof Y.XmlText) return textIn(child)
    return child instanceof Y.XmlElement ? linesIn(child) : []
  })
}

function textIn(text: Y.XmlText): string {
  const parts: { readonly insert?: unknown }[] = text.toDelta()
  return parts.map(({ insert }) => (typeof insert === 'string' ? insert : '')).join('')
}
