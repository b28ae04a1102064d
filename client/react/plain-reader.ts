import * as Y from 'yjs'

export type PlainMap = Readonly<Record<string, unknown>>
export type PlainArray = readonly unknown[]

/**
 * Reads Yjs types as plain values that nobody can change. A type is read again only once it was forgotten, and whatever
 * holds the same as before is the same object as before.
 */
export class PlainReader {
  readonly #maps = new Memory<Y.Map<unknown>, PlainMap>(isSameMap)
  readonly #arrays = new Memory<Y.Array<unknown>, PlainArray>(isSameArray)

  map(type: Y.Map<unknown>): PlainMap {
    return this.#maps.recall(type, () => {
      const entries = [...type.entries()].map(([key, value]) => [key, this.#plainOf(value)] as const)
      return Object.freeze(Object.fromEntries(entries))
    })
  }

  array(type: Y.Array<unknown>): PlainArray {
    return this.#arrays.recall(type, () => Object.freeze(type.toArray().map((value) => this.#plainOf(value))))
  }

  /** A type has changed: it, and those that it is in, are read again. */
  forget(changed: unknown): void {
    for (let type = changed; type instanceof Y.AbstractType; type = type.parent) {
      if (type instanceof Y.Map) this.#maps.forget(type)
      else if (type instanceof Y.Array) this.#arrays.forget(type)
    }
  }

  /** Anything may have changed. */
  forgetAll(): void {
    this.#maps.forgetAll()
    this.#arrays.forgetAll()
  }

  #plainOf(value: unknown): unknown {
    if (value instanceof Y.Map) return this.map(value)
    if (value instanceof Y.Array) return this.array(value)
    // Text, and XML as text.
    return value instanceof Y.AbstractType ? value.toString() : value
  }
}

/** What types were read as. */
class Memory<Type extends object, Plain> {
  readonly #isSame: (one: Plain, other: Plain) => boolean
  readonly #before = new WeakMap<Type, Plain>()
  #current = new WeakMap<Type, Plain>()

  constructor(isSame: (one: Plain, other: Plain) => boolean) {
    this.#isSame = isSame
  }

  recall(type: Type, read: () => Plain): Plain {
    const known = this.#current.get(type)
    if (known !== undefined) return known
    const [before, fresh] = [this.#before.get(type), read()]
    const plain = before !== undefined && this.#isSame(before, fresh) ? before : fresh
    this.#current.set(type, plain)
    this.#before.set(type, plain)
    return plain
  }

  forget(type: Type): void {
    this.#current.delete(type)
  }

  forgetAll(): void {
    this.#current = new WeakMap()
  }
}

function isSameMap(one: PlainMap, other: PlainMap): boolean {
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && Object.is(one[key], other[key]))
  )
}

function isSameArray(one: PlainArray, other: PlainArray): boolean {
  return one.length === other.length && one.every((item, index) => Object.is(item, other[index]))
}
