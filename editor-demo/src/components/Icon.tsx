/** Drawn on a 20 × 20 grid with a 1.5 wide line; the letters of headings are text-like paths. */
const paths = {
  undo: 'M7.5 5 4 8.5 7.5 12M4.5 8.5h7a4 4 0 0 1 0 8H8',
  redo: 'M12.5 5 16 8.5 12.5 12M15.5 8.5h-7a4 4 0 0 0 0 8H12',
  paragraph: 'M4.5 6V4.5h11V6M10 4.5v11M8 15.5h4',
  'heading-1': 'M3.5 5v10M9.5 5v10M3.5 10h6M13.5 9.5 16 8v7.5',
  'heading-2': 'M3.5 5v10M9.5 5v10M3.5 10h6M13 9.8c.2-1.2 1-1.8 2-1.8 1.2 0 2 .7 2 1.8 0 2.2-4 3.2-4 5.7h4',
  'heading-3':
    'M3.5 5v10M9.5 5v10M3.5 10h6M13 9c.4-.7 1-1 1.9-1 1.1 0 1.9.6 1.9 1.7s-.9 1.8-2 1.8c1.3 0 2.3.7 2.3 2s-1 2-2.2 2c-1 0-1.7-.4-2.1-1.2',
  bold: 'M6 4.5h4.7a2.75 2.75 0 0 1 0 5.5H6zM6 10h5.5a2.75 2.75 0 0 1 0 5.5H6z',
  italic: 'M11.9 4.5l-3.8 11M9 4.5h5.5M5.5 15.5H11',
  strike:
    'M13.7 6.7C13.2 5.3 11.9 4.5 10 4.5c-2.2 0-3.7 1-3.7 2.7M3.5 10h13M13.3 11.5c.4.5.6 1.1.6 1.7 0 1.7-1.6 2.8-3.9 2.8-2 0-3.5-.9-4-2.4',
  code: 'M7.5 6 3.5 10l4 4M12.5 6l4 4-4 4',
  link: 'M8.5 11.5a3 3 0 0 0 4.3.2l2.4-2.4a3 3 0 0 0-4.3-4.3L9.7 6.2M11.5 8.5a3 3 0 0 0-4.3-.2l-2.4 2.4a3 3 0 0 0 4.3 4.3l1.2-1.2',
  'bullet-list': 'M8 5.5h8.5M8 10h8.5M8 14.5h8.5M4 5.5h.01M4 10h.01M4 14.5h.01',
  'ordered-list': 'M8.5 5.5h8M8.5 10h8M8.5 14.5h8M3.3 4.6 4.6 4v4M3.2 12.3c.8-.8 2.3-.3 2 .8-.2.8-1.9 1.5-2 2.4h2.2',
  'task-list': 'M3.5 4.5h3.5v3.5H3.5zM10.5 6.25h6M3.3 13.7l1.5 1.5 2.7-3M10.5 13.75h6',
  quote: 'M4 5v10M8 6.5h8.5M8 10h8.5M8 13.5h5',
  'code-block': 'M3.5 4.5h13v11h-13zM8 8 6 10l2 2M12 8l2 2-2 2',
  chat: 'M4 4.5h12v9H9.5L6 16.5v-3H4z',
  phone:
    'M5.2 3.8h2.6l1.4 3.4-1.8 1.2a9 9 0 0 0 4.2 4.2l1.2-1.8 3.4 1.4v2.6a1.4 1.4 0 0 1-1.5 1.4A11.5 11.5 0 0 1 3.8 5.3a1.4 1.4 0 0 1 1.4-1.5z',
  microphone: 'M10 3.5a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0v-4a2 2 0 0 1 2-2zM5.5 9.5a4.5 4.5 0 0 0 9 0M10 14v2.5',
  camera: 'M3.5 6h9v8h-9zM12.5 9l4-2.2v6.4l-4-2.2',
  comment: 'M4 4.5h12v9H9.5L6 16.5v-3H4zM7 7.8h6M7 10.3h4',
  send: 'M10 16V4.5M5.2 9.3 10 4.5l4.8 4.8',
  smile: 'M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM7.7 8.3h.01M12.3 8.3h.01M7 11.6c1.5 2.1 4.5 2.1 6 0',
  reply: 'M8 5.5 4 9.5l4 4M4.5 9.5H12a4 4 0 0 1 4 4v1',
  trash: 'M4.5 6h11M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.7 8.8v4.4M11.3 8.8v4.4',
  back: 'M11.5 5 6.5 10l5 5',
  down: 'M6 8l4 4 4-4',
  bell: 'M5.5 13.5V9a4.5 4.5 0 0 1 9 0v4.5l1.3 1.5H4.2zM8.6 17h2.8M10 4.5V3',
  mention: 'M10 7.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6zM12.8 7.2v3.6a1.9 1.9 0 0 0 3.7 0V10A6.5 6.5 0 1 0 14 15.1',
  history: 'M4.2 6.2A6.8 6.8 0 1 1 3.3 11M3.8 3.2v3.3h3.3M10 6.3V10l2.6 1.6',
  play: 'M6.5 4.5v11l9-5.5z',
  pause: 'M7 5v10M13 5v10',
  bookmark: 'M6 3.5h8v13l-4-3-4 3z',
  search: 'M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4zM12.6 12.6l3.9 3.9',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  close: 'M5.5 5.5l9 9M14.5 5.5l-9 9',
  plus: 'M10 4.5v11M4.5 10h11',
  minus: 'M5.5 10h9',
  document: 'M5.5 3.5h6l3.5 3.5v9.5h-9.5zM11.5 3.5V7H15M8 10.5h4.5M8 13h4.5',
  edit: 'M12.5 4.5l3 3-8 8-3.5.5.5-3.5zM11 6l3 3',
  share: 'M10 12V3.5M6.8 6.5 10 3.5l3.2 3M6.5 9.5H4.5v7h11v-7h-2',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  lock: 'M5.5 9h9v7h-9zM7 9V6.8a3 3 0 0 1 6 0V9',
  sun: 'M10 6.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1',
  moon: 'M16 11.7A6.5 6.5 0 1 1 8.3 4a5.2 5.2 0 0 0 7.7 7.7z',
  screen: 'M3 4.5h14v9.5H3zM7.5 17h5M10 14v3',
  offline:
    'M3.5 3.5l13 13M5.5 9.8A6.5 6.5 0 0 1 8 8.3M11.5 8.1a6.5 6.5 0 0 1 3 1.7M7.7 12.6a3.3 3.3 0 0 1 4.6 0M3.2 7.2A10 10 0 0 1 5.7 5.5M9 4.7a10 10 0 0 1 7.8 2.5M10 15.5h.01',
} as const

export type IconName = keyof typeof paths

/** Decoration beside a name that says the same; never the only name of a thing. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" width={size} height={size} aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  )
}
