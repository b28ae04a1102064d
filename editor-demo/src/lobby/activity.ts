/** What one does in a document, as a lobby takes it: one line of well-formed text. Titles are short enough. */
export function activityIn(title: string): string {
  return `in ${title.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').toWellFormed()}`
}
