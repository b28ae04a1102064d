/** What is used of y-leveldb, whose package doesn't let its own types be found. */
declare module 'y-leveldb' {
  import type { Doc } from 'yjs'

  /** What fails is printed, and is null. */
  export class LeveldbPersistence {
    constructor(location: string)
    getAllDocNames(): Promise<string[] | null>
    getYDoc(name: string): Promise<Doc | null>
    storeUpdate(name: string, update: Uint8Array): Promise<number | null>
    destroy(): Promise<void>
  }
}
