const isMac = /Mac|iP(hone|ad|od)/.test(navigator.platform)

/** `Mod-Shift-b` as people write it: `Ctrl+Shift+B`, or `⌘⇧B`. */
export function shownShortcut(shortcut: string): string {
  const symbols: Record<string, string> = isMac
    ? { Mod: '⌘', Shift: '⇧', Alt: '⌥' }
    : { Mod: 'Ctrl', Shift: 'Shift', Alt: 'Alt' }
  return shortcut
    .split('-')
    .map((key) => symbols[key] ?? key.toUpperCase())
    .join(isMac ? '' : '+')
}

/** The same for `aria-keyshortcuts`. */
export function ariaShortcut(shortcut: string): string {
  return shortcut.replace('Mod', isMac ? 'Meta' : 'Control').replaceAll('-', '+')
}
