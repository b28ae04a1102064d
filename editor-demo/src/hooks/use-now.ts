import { useEffect, useState } from 'react'

const STEP_MS = 20_000

/** The time, ms since 1970, often enough for what is told in minutes. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), STEP_MS)
    return () => clearInterval(timer)
  }, [])
  return now
}
