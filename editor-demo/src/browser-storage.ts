/** localStorage and sessionStorage, which browsers may forbid: then nothing is remembered, and nothing breaks. */
export type Area = 'local' | 'session'

export function recall(area: Area, key: string): string | undefined {
  try {
    return storage(area).getItem(key) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(area: Area, key: string, value: string): void {
  try {
    storage(area).setItem(key, value)
  } catch {
    // Forbidden or full: it is forgotten with the page, which costs the user a name or a theme, no text.
  }
}

function storage(area: Area): Storage {
  return area === 'local' ? localStorage : sessionStorage
}
