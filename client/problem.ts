import { CoweaveError } from '../model/errors.ts'

/** What a server says in place of an answer: its code, or `http/bad-answer` where something else answered. */
export function problemIn(answer: unknown, status: number): CoweaveError {
  const { code, detail } = fieldsOf(answer)
  if (typeof code !== 'string') return new CoweaveError('http/bad-answer', `the server answered ${status}`)
  return new CoweaveError(code, typeof detail === 'string' ? detail : `the server answered ${status}`)
}

export function fieldsOf(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? value : {}
}
