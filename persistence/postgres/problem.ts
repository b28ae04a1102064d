import { toStorageError } from './postgres-errors.ts'

/** Either what `action` found or what is damaged, as it told. Other errors are thrown on. */
export async function attempt<T>(
  what: string,
  action: () => Promise<T>,
): Promise<
  { readonly found: T; readonly problem?: undefined } | { readonly found?: undefined; readonly problem: string }
> {
  try {
    return { found: await action() }
  } catch (error) {
    const { code, message } = toStorageError(error, what)
    if (code === 'storage/corrupt' || code === 'storage/key') return { problem: message }
    throw error
  }
}
