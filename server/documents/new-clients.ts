import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'

/** Yjs' own clients have ids below. */
const MAX_CLIENT = 2 ** 32

/** An update that deletes all that these clients have written, each up to its clock. */
export function deletionOfAll(clocks: ReadonlyMap<number, number>): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarUint(encoder, 0)
    encoding.writeVarUint(encoder, clocks.size)
    for (const [client, end] of clocks) for (const number of [client, 1, 0, end]) encoding.writeVarUint(encoder, number)
  })
}

/**
 * The same content under other client ids, none of them in `used`. Their order stays: Yjs decides by it what stands before
 * what. What waits for others in the update is left out.
 */
export function underNewClients(
  update: Uint8Array,
  used: ReadonlySet<number>,
): { readonly update: Uint8Array; readonly clients: readonly number[] } {
  const ydoc = new Y.Doc()
  Y.applyUpdate(ydoc, update)
  const { store } = ydoc
  store.pendingStructs = null
  store.pendingDs = null
  const former = [...store.clients.keys()].sort((one, other) => one - other)
  const clients = newClients(former.length, used)
  const renamed = new Map(former.map((client, index) => [client, clients[index] ?? client]))
  const rename = ({ client, clock }: Y.ID) => Y.createID(renamed.get(client) ?? client, clock)
  const structs = new Map([...store.clients].map(([client, list]) => [renamed.get(client) ?? client, list]))
  for (const list of structs.values()) {
    for (const struct of list) {
      struct.id = rename(struct.id)
      if (!(struct instanceof Y.Item)) continue
      struct.origin = struct.origin && rename(struct.origin)
      struct.rightOrigin = struct.rightOrigin && rename(struct.rightOrigin)
    }
  }
  store.clients = structs
  return { update: Y.encodeStateAsUpdate(ydoc), clients }
}

/** In ascending order. */
function newClients(count: number, used: ReadonlySet<number>): number[] {
  const found = new Set<number>()
  while (found.size < count) {
    const client = Math.floor(Math.random() * MAX_CLIENT)
    if (!used.has(client)) found.add(client)
  }
  return [...found].sort((one, other) => one - other)
}
