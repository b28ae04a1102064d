import { useCallback, useEffect, useRef, useState } from 'react'
import type { Diagnosis } from '../../../client/doctor.ts'
import type { Account } from '../account.ts'

export interface ConnectionCheck {
  /** What was found so far, in the order of the checks. */
  readonly findings: readonly Diagnosis[]
  readonly isRunning: boolean
  readonly run: () => void
}

/** Checks the way to the server step by step: once at the start, and with each `run`. */
export function useDiagnosis(account: Account, document: string): ConnectionCheck {
  const [findings, setFindings] = useState<readonly Diagnosis[]>([])
  const [isRunning, setRunning] = useState(true)
  const running = useRef<AbortController>(undefined)

  const run = useCallback(() => {
    running.current?.abort()
    const controller = new AbortController()
    running.current = controller
    setFindings([])
    setRunning(true)
    const check = async () => {
      // A part of its own: most people never need it.
      const { diagnose } = await import('../../../client/doctor.ts')
      const token = await account.token().catch(() => undefined) // the check of the server says why there is none
      for await (const finding of diagnose({ url: location.origin, token, document })) {
        if (controller.signal.aborted) return
        setFindings((before) => [...before, finding])
      }
    }
    check()
      .catch((error: unknown) => console.warn(error))
      .finally(() => {
        if (!controller.signal.aborted) setRunning(false)
      })
  }, [account, document])

  useEffect(() => {
    run()
    return () => running.current?.abort()
  }, [run])
  return { findings, isRunning, run }
}
