import type { AdminAction, AdminStore } from './admin-store.ts'

const ACTIONS_PER_PAGE = 500

/** Copies what admins did and whom they keep from what. Versions of restrictions are given anew, in the same order. */
export async function copyAdmin(source: AdminStore, target: AdminStore): Promise<void> {
  for await (const page of pagesOfActions(source)) await target.restore(page)
  for (const each of await source.restrictions({ after: 0 })) await target.restrict(each)
}

/** What `target` holds that `source` doesn't; undefined for nothing. */
export async function notOfSource(source: AdminStore, target: AdminStore): Promise<string | undefined> {
  for await (const page of pagesOfActions(target)) {
    for (const action of page) {
      const [found] = await source.actions({ before: action.number + 1, limit: 1 })
      if (JSON.stringify(found) !== JSON.stringify(action)) return `the admins' action ${action.number}`
    }
  }
  const known = await restrictionsOf(source)
  const other = (await restrictionsOf(target)).find((text) => !known.includes(text))
  return other === undefined ? undefined : `the restriction ${other}`
}

/** What the two don't have in common; undefined when they are the same. */
export async function adminDifference(source: AdminStore, target: AdminStore): Promise<string | undefined> {
  const other = (await notOfSource(source, target)) ?? (await notOfSource(target, source))
  if (other !== undefined) return other
  const [left, right] = [await restrictionsOf(source), await restrictionsOf(target)]
  return left.join() === right.join() ? undefined : 'the order of restrictions'
}

async function* pagesOfActions(store: AdminStore) {
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const page: AdminAction[] = await store.actions({ before, limit: ACTIONS_PER_PAGE })
    yield page
    before = page.at(-1)?.number
  }
}

async function restrictionsOf(store: AdminStore): Promise<string[]> {
  return (await store.restrictions({ after: 0 })).map(({ version: _, ...rest }) => JSON.stringify(rest))
}
