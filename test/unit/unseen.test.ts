import { expect, test } from 'vitest'
import { unseenIn } from '../../editor-demo/src/history/unseen.ts'

const session = (user: string, firstPosition: number, lastPosition: number) => {
  return { user, from: 0, to: 0, firstPosition, lastPosition, updates: 1, inserted: 0, deleted: 0 }
}

test('what others changed since one last looked is news, and what oneself or the server did is not', () => {
  const sessions = [session('', 9, 9), session('ada', 8, 8), session('bob', 3, 7), session('cem', 4, 6)]
  expect(unseenIn(sessions, 9, 'ada')).toBeUndefined()
  expect(unseenIn(sessions, 7, 'ada')).toBeUndefined()
  expect(unseenIn(sessions, 6, 'ada')).toEqual({ from: 6, until: 9, users: ['bob'] })
  expect(unseenIn([session('bob', 11, 12), ...sessions], 1, 'ada')).toEqual({
    from: 1,
    until: 12,
    users: ['bob', 'cem'],
  })
})
