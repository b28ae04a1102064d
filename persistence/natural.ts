/** Returns `value` if it is a natural number: a wrong one would be stored as another one, or fail everybody's commit. */
export function natural(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${what} must be a natural number, got ${value}`)
  return value
}
