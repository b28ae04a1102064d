import { Store } from '../../client/index.ts'
import { recall, remember } from './browser-storage.ts'

export const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const KEY = 'coweave:theme'

export const theme = new Store<Theme>(themes.find((name) => name === recall('local', KEY)) ?? 'system')

/** Keeps the page in the chosen theme; `system` leaves it to the browser. */
export function followTheme(): void {
  const apply = () => {
    document.documentElement.dataset.theme = theme.get()
  }
  theme.subscribe(apply)
  apply()
}

export function chooseTheme(chosen: Theme): void {
  remember('local', KEY, chosen)
  theme.set(chosen)
}
