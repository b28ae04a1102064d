/** The formats that say what a rich-text document says. Apart from what reads and writes them, which only threads load. */
export const contentFormats = ['markdown', 'html', 'json', 'text'] as const
export type ContentFormat = (typeof contentFormats)[number]
