import { Window } from 'happy-dom'

/**
 * A page for React in Node; to be imported before React is. Sockets and fetch stay those of Node, which reach a real
 * server.
 */
const page = new Window({ url: 'http://localhost/' })
Object.assign(globalThis, { window: page, document: page.document })
