import { z } from 'zod'

/** What an answer says that is not what was asked for. */
export const problemBody = z.object({
  title: z.string(),
  status: z.int(),
  code: z.string().describe('Stable, for programs: `area/reason`'),
  detail: z.string().describe('For people: what is wrong, and what to do'),
})
