import { useCallback, useEffect, useState } from 'react'
import type { CollaborativeDocument } from '../../../client/index.ts'
import { plainText } from '../editor/plain-text.ts'

/** Changes that the server did not take: why, and the text as it was with them. */
export interface RefusedChange {
  readonly reason: string
  readonly text: string
}

/** The last refused change, until it is dismissed: the document has gone back to what the server has. */
export function useRefusedChange(document: CollaborativeDocument): [RefusedChange | undefined, () => void] {
  const [change, setChange] = useState<RefusedChange>()
  useEffect(
    () => document.onRefused(({ reason, before }) => setChange({ reason, text: plainText(before) })),
    [document],
  )
  return [change, useCallback(() => setChange(undefined), [])]
}
