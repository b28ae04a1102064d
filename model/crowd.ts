const PREFIX = 'coweave:crowd:'

/**
 * A stateless message of the server, where more people show presence in a document than it tells of: how many more users there
 * are. 0 once everybody is told of again.
 */
export interface CrowdNotice {
  readonly unseen: number
}

export function encodeCrowd(notice: CrowdNotice): string {
  return PREFIX + JSON.stringify(notice)
}

/** The notice in a stateless message of the server; undefined for any other message. */
export function decodeCrowd(payload: string): CrowdNotice | undefined {
  if (!payload.startsWith(PREFIX)) return undefined
  const value: unknown = JSON.parse(payload.slice(PREFIX.length))
  if (typeof value !== 'object' || value === null || !('unseen' in value)) return undefined
  return { unseen: Number(value.unseen) }
}
