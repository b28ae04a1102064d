import { z } from 'zod'

const place = {
  field: z.string().min(1).max(255).default('default').describe('The root type that holds the content'),
  find: z.string().min(1).max(10_000).optional().describe('A text that stands there once, as it is shown'),
  block: z.int().min(0).optional().describe('The number of a block, from 0: all of it, or where to find the text'),
}

/** A place in a document, as who reads it names it; beside `more` in a body. */
export function withPlace<Shape extends z.ZodRawShape>(more: Shape) {
  return z
    .strictObject({ ...place, ...more })
    .refine((named) => 'find' in named || 'block' in named, 'has find, block or both')
}

export const placeShape = withPlace({})
