import * as Y from 'yjs'

/** Documents that begin with what tells which instance was asked, and that it was asked for this one. */
export function seedBy(instance: string): (document: string) => Y.Doc | undefined {
  return (document) => {
    if (!document.startsWith('seeded/')) return undefined
    const ydoc = new Y.Doc()
    ydoc.getText('text').insert(0, `<${document} by ${instance}>`)
    return ydoc
  }
}
