import type { Session } from './session.ts'

/** Asks the server's HTTP API. @throws {Error} when it doesn't answer as it should */
export async function getJson(url: string, session: Session, signal: AbortSignal): Promise<unknown> {
  const send = async () => fetch(url, { headers: { authorization: `Bearer ${await session.token()}` }, signal })
  let response = await send()
  if (response.status === 401 && session.forgetToken()) response = await send()
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  return response.json()
}
