import { isAllowedHref, isAllowedSource } from './links.ts'
import { assertKnown } from './normalize.ts'
import { childrenOf, type RichNode } from './rich-node.ts'

/**
 * A document as HTML and Markdown say it: links that lead elsewhere than the web or e-mail are only their text, and images
 * from elsewhere have no source.
 * @throws {FormatError} `format/unknown-node`, `format/unknown-mark`
 */
export function shown(doc: RichNode): RichNode {
  assertKnown(doc)
  return withoutBadLinks(doc)
}

function withoutBadLinks(node: RichNode): RichNode {
  const { marks, content, attrs } = node
  const hasBadSource = node.type === 'image' && !isAllowedSource(attrs?.src)
  return {
    ...node,
    ...(marks && { marks: marks.filter(({ type, attrs }) => type !== 'link' || isAllowedHref(attrs?.href)) }),
    ...(content && { content: childrenOf(node).map(withoutBadLinks) }),
    ...(hasBadSource && { attrs: { ...attrs, src: null } }),
  }
}
