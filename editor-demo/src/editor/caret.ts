import { Extension } from '@tiptap/core'
import { Plugin } from '@tiptap/pm/state'
import type { DecorationAttrs } from '@tiptap/pm/view'
import type { Awareness } from 'y-protocols/awareness'
import { type Person, personIn } from '../people.ts'

/** Somebody's caret. Its label is an attribute, shown by CSS, so that it is never selected, copied or read as text. */
export function renderCaret(user: Record<string, unknown>): HTMLElement {
  const person = personIn(user)
  const caret = document.createElement('span')
  caret.className = 'caret'
  if (person !== undefined) label(caret, person)
  return caret
}

export function renderSelection(user: Record<string, unknown>): DecorationAttrs {
  const person = personIn(user)
  return person === undefined ? {} : { class: 'remote-selection', style: `--person: ${person.color}` }
}

/**
 * Keeps the carets' labels up to date: the binding keeps a caret's element for as long as its owner is there, also
 * when they change their name. A caret that moves shows its label again, which fades when it rests.
 */
export function caretLabels(awareness: Awareness): Extension {
  return Extension.create({
    name: 'caretLabels',
    addProseMirrorPlugins: () => [
      new Plugin({
        view: (view) => {
          const update = ({ added, updated }: { added: number[]; updated: number[] }) => {
            for (const clientId of [...added, ...updated]) {
              const person = personIn(awareness.getStates().get(clientId)?.user)
              if (person === undefined || clientId === awareness.clientID) continue
              for (const caret of view.dom.querySelectorAll<HTMLElement>('.caret')) {
                if (caret.dataset.user !== person.id) continue
                label(caret, person)
                for (const animation of caret.getAnimations({ subtree: true })) {
                  animation.currentTime = 0
                  animation.play()
                }
              }
            }
          }
          awareness.on('change', update)
          return { destroy: () => awareness.off('change', update) }
        },
      }),
    ],
  })
}

function label(caret: HTMLElement, { id, name, color, kind }: Person): void {
  caret.dataset.user = id
  caret.dataset.name = kind === 'agent' ? `${name} · Agent` : name
  caret.style.setProperty('--person', color)
}
