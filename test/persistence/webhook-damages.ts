import type { UpdateLog } from '../../persistence/update-log.ts'

/** Two webhooks, and deliveries of the events 1 to 4 to `w`, of which 2 waits for 1. */
export async function storeDeliveries(log: UpdateLog): Promise<void> {
  const webhook = { at: 1, after: 0, url: 'https://x.example/', kinds: [], documents: undefined, secret: 's' }
  for (const id of ['v', 'w', 'x']) await log.webhooks.put({ ...webhook, id }, { max: 9 })
  await log.events.claim('webhooks', { owner: 'one', forMs: 60_000 })
  const documents = ['a', 'a', 'b', '']
  await log.webhooks.enqueue(
    [
      ...documents.map((document, index) => ({ webhook: 'w', event: index + 1, document })),
      { webhook: 'x', event: 4, document: 'a' },
    ],
    { consumer: 'webhooks', owner: 'one', last: 4, now: 1 },
  )
}

/** What may happen to them, each of one row, in the order in which a check tells it. */
export const WEBHOOK_DAMAGES = [
  { sql: `UPDATE webhooks SET data = 'x' WHERE id = 'v'`, problem: 'the webhook v can not be read' },
  {
    sql: `DELETE FROM webhooks WHERE id = 'x'`,
    problem: 'deliveries belong to a webhook with the id x, which is missing',
  },
  {
    sql: `UPDATE deliveries SET state = 7 WHERE webhook = 'w' AND event = 4`,
    problem: 'the delivery of the event 4 to the webhook w has no known state',
  },
  {
    sql: `UPDATE deliveries SET due_at = NULL WHERE webhook = 'w' AND event = 3`,
    problem: 'the delivery of the event 3 to the webhook w waits for nothing',
  },
] as const
