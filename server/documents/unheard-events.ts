import type * as Y from 'yjs'

/**
 * Yjs tells of each transaction in ten events. lib0 makes a map and an array for each that nobody listens to, which is a
 * tenth of what taking an update costs: a document does without from here on (ObservableV2 in lib0/observable.js).
 */
export function skipUnheardEvents(document: Y.Doc): void {
  const { emit } = document
  document.emit = (name, args) => {
    if (document._observers.has(name)) emit.call(document, name, args)
  }
}
