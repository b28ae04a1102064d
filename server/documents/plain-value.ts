const MAX_DEPTH = 8

/** Whether a value is what JSON.parse makes; Yjs also carries bytes, and objects with prototypes of the sender's. */
export function isPlain(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return true
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== Array.prototype) return false
  return Object.values(value).every((item) => isPlain(item, depth + 1))
}
