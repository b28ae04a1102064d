import { z } from 'zod'
import type { Random } from '../support/random.ts'

const schemaShape = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.unknown()).optional(),
  anyOf: z.array(z.unknown()).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
})

const contentShape = z.record(z.string(), z.looseObject({ schema: z.unknown().optional() }))
export const operationShape = z.looseObject({
  parameters: z
    .array(
      z.looseObject({
        name: z.string(),
        in: z.enum(['path', 'query', 'header']),
        required: z.boolean(),
        schema: z.unknown(),
      }),
    )
    .default([]),
  requestBody: z.looseObject({ content: contentShape }).optional(),
})
export type Operation = z.infer<typeof operationShape>

export interface FuzzedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
}

const STRINGS = [
  ...['', ' ', '0', '-1', '1e309', 'NaN', 'null', 'true', '../..', '%00', '\u0000', '\ud800', '💥', "' OR 1=1 --"],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '"1"',
    '"999999999999"',
    'W/"1"',
    '*',
    'x'.repeat(300),
    'ä'.repeat(5_000),
  ],
]
const NUMBERS = [0, 1, -1, 1.5, 2 ** 31, 2 ** 53, 1e308, Number.NaN]
const CONTENTS = [
  ...[
    '# Title\n\ntext',
    '- [x] a\n  1. b\n\n> c',
    '| a | b |\n|---|---|\n| c',
    '<table><tr><td><script>alert(1)</script>',
    '>'.repeat(300),
  ],
  ...[
    '<div>'.repeat(500),
    '*a **b '.repeat(500),
    '&#0;&#xD800;\u0000\ufffe',
    '```',
    '[a](javascript:b)',
    '<p '.repeat(2_000),
    '\ud800<b>',
  ],
]

/** A request that the description allows, more or less: now and then each part of it is something else. */
export function randomRequest(
  random: Random,
  method: string,
  path: string,
  operation: Operation,
  names: readonly string[],
): FuzzedRequest {
  const query = new URLSearchParams()
  const headers: Record<string, string> = {}
  let filled = path
  for (const { name, in: place, required, schema } of operation.parameters) {
    if (!required && random.chance(0.75)) continue
    const value =
      place === 'path'
        ? random.chance(0.15)
          ? random.pick(STRINGS)
          : random.pick(names)
        : textOf(valueFor(schema, random, 0))
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(value.toWellFormed()))
    else if (place === 'query') query.append(name, value.toWellFormed())
    else if (/^[\x20-\x7e]*$/.test(value)) headers[name] = value
  }
  if (random.chance(0.1)) query.append(random.pick(STRINGS).toWellFormed(), 'x')
  const url = query.size > 0 ? `${filled}?${query}` : filled
  if (operation.requestBody === undefined) return { method, path: url, headers, body: undefined }
  const [type, { schema }] = random.pick(Object.entries(operation.requestBody.content))
  headers['content-type'] = random.chance(0.1)
    ? random.pick(['image/png', 'application/json', 'text/plain', 'x'])
    : type
  return { method, path: url, headers, body: bodyFor(type, schema, random) }
}

function bodyFor(type: string, schema: unknown, random: Random): Buffer {
  if (random.chance(0.1))
    return Buffer.from(random.pick(['', '{', '[[[[', '{"__proto__":{"x":1}}', 'null', '"x"', '['.repeat(100_000)]))
  if (type.endsWith('json'))
    return Buffer.from(
      JSON.stringify(schema === undefined ? contentJson(random, 0) : valueFor(schema, random, 0)) ?? '',
    )
  if (type.startsWith('text/'))
    return Buffer.from(Array.from({ length: random.int(5) }, () => random.pick(CONTENTS)).join('\n'))
  return Buffer.from(Array.from({ length: random.int(200) }, () => random.int(256)))
}

/** What might be a document in Tiptap's JSON, or of Yjs types. */
function contentJson(random: Random, depth: number): unknown {
  const inside = () => Array.from({ length: depth > 4 ? 0 : random.int(4) }, () => contentJson(random, depth + 1))
  const kind = random.int(4)
  if (kind === 0) return { roots: { [random.pick(['a', ...STRINGS])]: { [random.pick(['map', 'array', 'text', 'xmlFragment'])]: random.chance(0.5) ? inside() : { a: inside() } } } } // biome-ignore format: one value
  if (kind === 1) return { [random.pick(['map', 'array', 'list', 'object', 'bytes', 'bigint', 'xmlElement', 'text'])]: random.pick<unknown>([inside(), STRINGS[5], { parts: [{ insert: 'x' }] }, { name: 'p', attributes: {}, children: inside() }]) } // biome-ignore format: one value
  return {
    type: random.pick(['doc', 'doc', 'paragraph', 'heading', 'text', 'bulletList', 'listItem', 'table', 'image', 'x']),
    attrs: { [random.pick(['level', 'href', 'src', 'checked', ...STRINGS])]: anyValue(random, 0) },
    content: inside(),
    ...(random.chance(0.3) && {
      text: random.pick(STRINGS),
      marks: [{ type: random.pick(['bold', 'link', 'x']), attrs: { href: 'javascript:x' } }],
    }),
  }
}

function valueFor(schema: unknown, random: Random, depth: number): unknown {
  if (depth > 6 || random.chance(0.07)) return anyValue(random, depth)
  const { success, data } = schemaShape.safeParse(schema)
  if (!success) return anyValue(random, depth)
  if (data.enum !== undefined) return random.pick(data.enum)
  if (data.anyOf !== undefined) return valueFor(random.pick(data.anyOf), random, depth + 1)
  switch ([data.type].flat()[0]) {
    case 'object': {
      const entries = Object.entries(data.properties ?? {}).filter(() => random.chance(0.6))
      return Object.fromEntries(entries.map(([name, each]) => [name, valueFor(each, random, depth + 1)]))
    }
    case 'array':
      return Array.from({ length: random.int(4) }, () => valueFor(data.items, random, depth + 1))
    case 'integer':
    case 'number':
      return random.chance(0.7) ? random.int(10) : random.pick(NUMBERS)
    case 'boolean':
      return random.chance(0.5)
    case 'string':
      return random.pick([...STRINGS, ...CONTENTS, 'text', 'Title'])
    default:
      return random.chance(0.7) ? random.pick(CONTENTS) : contentJson(random, 0)
  }
}

function anyValue(random: Random, depth: number): unknown {
  const kind = random.int(6)
  if (kind === 0) return random.pick(NUMBERS)
  if (kind === 1) return random.pick([null, true, false])
  if (kind === 2 && depth < 6) return { [random.pick(STRINGS)]: anyValue(random, depth + 1) }
  if (kind === 3 && depth < 6) return [anyValue(random, depth + 1), anyValue(random, depth + 1)]
  return random.pick([...STRINGS, ...CONTENTS])
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
