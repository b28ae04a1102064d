import { type ChatMessage, openSegmentOf } from '../../../model/chat.ts'
import type { RefusalNotice } from '../../../model/refusals.ts'
import { segmentName } from '../../../model/rooms.ts'
import type { Collaboration } from '../collaboration/collaboration.ts'
import type { DocumentKind, DocumentSession } from '../collaboration/document-session.ts'
import { SegmentCopy, segmentDocument } from './segment-copy.ts'

const headDocument: DocumentKind = {
  hasContent: (doc) => openSegmentOf(doc) !== undefined,
  showsPeople: true,
  isRoom: true,
}

/** With fewer messages in the open segment, the one before it is opened too. */
const CONTEXT_MESSAGES = 30
/**
 * So many parts of a room are kept open at most; what is older is found by searching. A server lets a hundred documents
 * of one socket wait for authentication, which all of a page's do when it reconnects.
 */
const MAX_SEGMENTS = 12

export interface RoomEvents {
  onChange(): void
  /** The head was opened, for the first time or anew. */
  onHead(head: DocumentSession): void
  /** Something in segment `number` was refused, which is about to be opened anew; `messages` are those it showed. */
  onRefused(number: number, messages: readonly ChatMessage[], notice: RefusalNotice): void
}

/**
 * The documents of one room that are open here: the head, and segments without a gap up to the open one. What holds
 * something that the server refused is thrown away and opened anew, since all that follows in it would be refused too.
 */
export class RoomCopy {
  readonly room: string
  readonly #collaboration: Collaboration
  readonly #events: RoomEvents
  readonly #segments = new Map<number, SegmentCopy>()
  readonly #reopening = new Set<string>()
  readonly #stops: (() => void)[] = []
  #head: DocumentSession
  #closed = false

  constructor(room: string, collaboration: Collaboration, events: RoomEvents) {
    this.room = room
    this.#collaboration = collaboration
    this.#events = events
    this.#head = this.#openHead()
  }

  get head(): DocumentSession {
    return this.#head
  }

  /** The number of the segment that takes messages; 0 before that is known. */
  get openNumber(): number {
    return openSegmentOf(this.#head.doc) ?? 0
  }

  get openSegment(): SegmentCopy | undefined {
    return this.#segments.get(this.openNumber)
  }

  get isReopening(): boolean {
    return this.#reopening.size > 0
  }

  /** What is written arrives, and what was written is here. */
  get isOnline(): boolean {
    return !this.isReopening && this.#head.isOnline && this.openSegment?.document.isOnline === true
  }

  get documents(): readonly DocumentSession[] {
    return [this.#head, ...[...this.#segments.values()].map(({ document }) => document)]
  }

  get earlier(): 'none' | 'there' | 'loading' | 'too-far' {
    const first = this.#firstNumber
    if (first === 0) return 'none'
    if (this.#segments.get(first)?.isReady === false) return 'loading'
    if (first === 1) return 'none'
    return this.#segments.size >= MAX_SEGMENTS ? 'too-far' : 'there'
  }

  close(): void {
    this.#closed = true
    for (const stop of this.#stops) stop()
    for (const document of this.documents) {
      if (!this.#reopening.has(document.name)) this.#collaboration.close(document)
    }
  }

  /** Opens what is wanted by now: the open segment, and some of what was before it. */
  openWanted(): void {
    const number = this.openNumber
    if (number === 0) return
    if (!this.#segments.has(number)) this.#open(number)
    const open = this.openSegment
    const isShort = open?.isReady === true && open.messages().length < CONTEXT_MESSAGES
    if (isShort && number > 1 && !this.#segments.has(number - 1)) this.#open(number - 1)
  }

  openEarlier(): void {
    if (this.earlier === 'there') this.#open(this.#firstNumber - 1)
  }

  segment(number: number): SegmentCopy | undefined {
    return this.#reopening.has(segmentName(this.room, number)) ? undefined : this.#segments.get(number)
  }

  find(id: string) {
    for (const segment of this.#segments.values()) {
      const message = segment.find(id)
      if (message !== undefined) return message
    }
    return undefined
  }

  /** All messages from the first open segment on: id → message. */
  messages(): Map<string, ChatMessage> {
    const found = new Map<string, ChatMessage>()
    for (let number = this.#firstNumber; number > 0 && number <= this.openNumber; number++) {
      for (const message of this.#segments.get(number)?.messages() ?? []) {
        if (found.get(message.id)?.seq === undefined) found.set(message.id, message)
      }
    }
    return found
  }

  get #firstNumber(): number {
    let number = this.openNumber
    if (!this.#segments.has(number)) return 0
    while (this.#segments.has(number - 1)) number -= 1
    return number
  }

  #openHead(): DocumentSession {
    const head = this.#collaboration.open(this.room, headDocument)
    this.#follow(head, (notice) => {
      // A read mark that went backwards, because of another device; the next one is written onto a fresh copy.
      void this.#reopen(head, notice, () => {
        this.#head = this.#openHead()
      })
    })
    this.#events.onHead(head)
    return head
  }

  #open(number: number, meanwhile?: readonly ChatMessage[]): void {
    const document = this.#collaboration.open(segmentName(this.room, number), segmentDocument)
    const segment = new SegmentCopy(document, meanwhile)
    this.#segments.set(number, segment)
    this.#follow(document, (notice) => {
      const messages = segment.messages()
      this.#events.onRefused(number, messages, notice)
      const stored = messages.filter(({ seq }) => seq !== undefined)
      void this.#reopen(document, notice, () => this.#open(number, stored))
    })
  }

  #follow(document: DocumentSession, refused: (notice: RefusalNotice) => void): void {
    const changed = () => this.#events.onChange()
    document.doc.on('update', changed)
    const stop = document.view.subscribe(changed)
    this.#stops.push(() => {
      document.doc.off('update', changed)
      stop()
    })
    document.onRefusedChange((notice) => {
      if (!this.#closed && !this.#reopening.has(document.name)) refused(notice)
    })
  }

  async #reopen(document: DocumentSession, { rule }: RefusalNotice, open: () => void): Promise<void> {
    console.debug(`${document.name} is opened anew: ${rule}`)
    this.#reopening.add(document.name)
    await this.#collaboration.abandon(document).catch(() => {
      // The browser's storage failed: the copy will be refused and thrown away again.
    })
    this.#reopening.delete(document.name)
    if (this.#closed) return
    open()
    this.#events.onChange()
  }
}
