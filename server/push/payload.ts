import type { Notification } from '../../model/inbox.ts'

/** What push services take is 4 KB encrypted; some take less. */
const MAX_PAYLOAD_BYTES = 3 * 1024

type Pushed = Omit<Notification, 'readAt'>

/**
 * What a service worker gets of a notification in the archive, as JSON of at most 3 KB: `id`, `kind`, `title`, `body`,
 * `link`, `at` and, if there is one, `from`. A long body is cut, and a link that leaves no room is left out. Undefined for
 * one that its owner has dismissed.
 */
export function payloadOf(json: string): string | undefined {
  const stored: Readonly<Record<string, unknown>> = JSON.parse(json)
  if (stored.dismissedAt !== undefined) return undefined
  const text = (key: string) => (typeof stored[key] === 'string' ? stored[key].toWellFormed() : '')
  const whole: Pushed = {
    id: text('id'),
    kind: text('kind'),
    title: text('title'),
    body: text('body'),
    link: text('link'),
    ...(typeof stored.from === 'string' ? { from: text('from') } : {}),
    at: typeof stored.at === 'number' ? stored.at : 0,
  }
  const pushed = bytesOf({ ...whole, body: '' }) <= MAX_PAYLOAD_BYTES ? whole : { ...whole, link: '' }
  return JSON.stringify({ ...pushed, body: shortened(pushed) })
}

/** The longest beginning of the body, by code points, for which there is room. */
function shortened(notification: Pushed): string {
  if (bytesOf(notification) <= MAX_PAYLOAD_BYTES) return notification.body
  const characters = [...notification.body]
  const beginning = (length: number) => (length === 0 ? '' : `${characters.slice(0, length).join('')}…`)
  let [fits, tooLong] = [0, characters.length]
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1
    if (bytesOf({ ...notification, body: beginning(middle) }) <= MAX_PAYLOAD_BYTES) fits = middle
    else tooLong = middle
  }
  return beginning(fits)
}

function bytesOf(notification: Pushed): number {
  return Buffer.byteLength(JSON.stringify(notification))
}
