import type { Tick } from '../../chat/message-list.ts'

const labels: Readonly<Record<Tick, string>> = {
  sending: 'Sending',
  kept: 'Kept in this browser',
  stored: 'Stored',
  read: 'Read by all',
}

/** How far one's own message has come: kept here, on the server's disk, read. */
export function MessageTick({ tick }: { tick: Tick }) {
  return (
    <span className="tick" data-tick={tick} data-tooltip={labels[tick]}>
      <svg className="icon" viewBox="0 0 20 14" width="18" height="13" aria-hidden="true" focusable="false">
        {tick === 'sending' ? (
          <path d="M6 7h.01M10 7h.01M14 7h.01" />
        ) : tick === 'kept' ? (
          <path d="M5.5 7.5l3 3 6-7" />
        ) : (
          <path d="M2.5 7.5l3 3 6-7M9 10l.6.5 6.4-7.5" />
        )}
      </svg>
      <span className="visually-hidden">{labels[tick]}</span>
    </span>
  )
}
