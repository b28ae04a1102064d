import { defaultKeymap } from '@codemirror/commands'
import { EditorState } from '@codemirror/state'
import { drawSelection, EditorView, keymap, lineNumbers } from '@codemirror/view'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { connect } from '../../client/index.ts'

/** A plain-text editor on the client library: all that it takes. The document is named after the `#` of the address. */

const user = localStorage.getItem('minimal:user') ?? crypto.randomUUID()
localStorage.setItem('minimal:user', user)
const name = `Guest ${user.slice(0, 4)}`

async function demoToken(): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch('/api/demo/token', { method: 'POST', headers, body: JSON.stringify({ user, name }) })
  if (!response.ok) throw new Error(`no token: the server answered ${response.status}`)
  return (await response.json()).token
}

const session = connect({ url: location.origin, user, token: demoToken })
const shared = session.document(decodeURIComponent(location.hash.slice(1)) || 'code/minimal')
shared.setPresence({ user: { color: '#0b6e4f', colorLight: '#0b6e4f33' } })

let editor: EditorView | undefined
function showEditor() {
  editor?.destroy()
  const text = shared.ydoc.getText('code')
  const extensions = [
    lineNumbers(),
    drawSelection(),
    EditorView.lineWrapping,
    keymap.of([...yUndoManagerKeymap, ...defaultKeymap]),
    yCollab(text, shared.awareness),
  ]
  const parent = document.querySelector('#editor') ?? document.body
  editor = new EditorView({ parent, state: EditorState.create({ doc: text.toString(), extensions }) })
}

function showStatus() {
  const { status, unsaved } = shared.state.get()
  const saved = unsaved === 0 ? 'saved' : `${unsaved} unsaved`
  const line = document.querySelector('#status')
  if (line !== null) line.textContent = status.kind === 'refused' ? status.refusal.message : `${status.kind}, ${saved}`
}

shared.state.subscribe(showStatus)
await shared.whenReady
showEditor()
shared.onReplaced(showEditor)
