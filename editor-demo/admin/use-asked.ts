import { useCallback, useEffect, useState } from 'react'
import { type AdminClient, wordsFor } from './api.ts'

export interface Asked<T> {
  /** The last answer; undefined before the first. */
  readonly answer: T | undefined
  /** Why there is no newer one; '' where there is. */
  readonly problem: string
  /** Asks now. */
  readonly again: () => void
}

/** What the server answers at `path`, asked again each time `everyMs` has passed since the last answer; 0 for once. */
export function useAsked<T>(client: AdminClient, path: string, everyMs: number): Asked<T> {
  const [state, setState] = useState<{ path: string; answer: T | undefined; problem: string }>()
  /** How often it was asked by hand: each time it begins anew. */
  const [asked, setAsked] = useState(0)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    const ask = async () => {
      try {
        const answer = await client.get<T>(path)
        if (!isOver) setState({ path, answer, problem: '' })
      } catch (error) {
        if (!isOver) setState((last) => ({ path, answer: last?.answer, problem: wordsFor(error) }))
      }
      if (!isOver && everyMs > 0) timer = setTimeout(ask, everyMs)
    }
    void ask()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [client, path, everyMs, asked])
  const again = useCallback(() => setAsked((times) => times + 1), [])
  const isOld = state?.path !== path
  return { answer: isOld ? undefined : state?.answer, problem: isOld ? '' : (state?.problem ?? ''), again }
}
