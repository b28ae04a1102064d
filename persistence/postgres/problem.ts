import { toStorageError } from './postgres-errors.ts'

/** What is damaged, as `action` found: undefined when nothing is. Other errors are thrown on. */
export async function problemOf(what: string, action: () => Promise<void>): Promise<string | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    const { code, message } = toStorageError(error, what)
    if (code === 'storage/corrupt' || code === 'storage/key') return message
    throw error
  }
}
