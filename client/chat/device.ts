import { newMessageId } from '../../model/chat.ts'

const KEY = 'coweave:device'
let unkept: string | undefined

/** What this window calls itself in calls, also after a reload. */
export function deviceName(): string {
  try {
    const known = sessionStorage.getItem(KEY)
    if (known !== null) return known
    sessionStorage.setItem(KEY, newMessageId())
    return sessionStorage.getItem(KEY) ?? unkeptName()
  } catch {
    return unkeptName() // no window, or one that may keep nothing
  }
}

function unkeptName(): string {
  unkept ??= newMessageId()
  return unkept
}
