import type { CollaborativeDocument } from './api.ts'

/** What the parts of the library that are built on documents get of a session. */
export interface SessionDocuments {
  /** Undefined until the first token tells, where `user` was not given. */
  readonly user: string | undefined
  /** Resolves once `user` is known. */
  readonly whenUser: Promise<string>
  /** Names the server in this device's storage; undefined where nothing is kept there. */
  readonly storageKey: string | undefined
  /** `presence`: whether it is shared who has it open; true by default. */
  open(name: string, options?: { readonly presence?: boolean }): CollaborativeDocument
  /** Asks the server's HTTP API with a token, once more with a new one if that is refused. */
  fetch(path: string, init?: RequestInit): Promise<Response>
}
