import './dom.ts'
import { type ReactNode, act as reactAct } from 'react'
import { createRoot } from 'react-dom/client'
import { onTestFinished } from 'vitest'

/** Does something, and renders what comes of it. What renders at other times does so by itself, as in a browser. */
export async function act(does: () => unknown): Promise<void> {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  try {
    await reactAct(async () => {
      await does()
    })
  } finally {
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: false })
  }
}

export interface Rendered {
  readonly text: string
  rerender(node: ReactNode): Promise<void>
  unmount(): Promise<void>
}

/** Renders into a page of its own; what is still there at the end of the test is unmounted. */
export async function render(node: ReactNode): Promise<Rendered> {
  const container = document.createElement('div')
  const root = createRoot(container, { onCaughtError() {}, onRecoverableError() {} })
  let isMounted = true
  const rendered = {
    get text() {
      return container.textContent ?? ''
    },
    rerender: (next: ReactNode) => act(() => root.render(next)),
    async unmount() {
      if (isMounted) await act(() => root.unmount())
      isMounted = false
    },
  }
  onTestFinished(() => rendered.unmount())
  await rendered.rerender(node)
  return rendered
}

/** Lets React render until `condition` holds. */
export async function shown(condition: () => boolean): Promise<void> {
  while (!condition()) await act(() => new Promise((resolve) => setTimeout(resolve, 2)))
}

/** Lets happen what is on its way in this turn. */
export async function turn(): Promise<void> {
  await act(() => new Promise((resolve) => setTimeout(resolve)))
}
