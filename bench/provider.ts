import { HocuspocusProvider } from '@hocuspocus/provider'
import * as Y from 'yjs'

/** A stock client, once it has all of a document. Whoever opens it destroys it. */
export async function openProvider(
  { url, token }: { readonly url: string; readonly token: string },
  name: string,
): Promise<HocuspocusProvider> {
  const provider = new HocuspocusProvider({ url, name, token, document: new Y.Doc() })
  await new Promise<void>((resolve) => provider.on('synced', () => resolve()))
  return provider
}
