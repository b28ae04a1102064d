/** Everything that shapes a measurement. */
export const parameters = {
  /** Each figure is the median of so many rounds, the peers in turn. */
  rounds: 3,
  writes: {
    warmUpMs: 1_500,
    measuredMs: 4_000,
    /** Documents, one writer each, and how many updates a writer sends ahead of their acknowledgements. */
    loads: [
      { documents: 1, window: 64 },
      { documents: 50, window: 16 },
      { documents: 500, window: 16 },
    ],
    /** What the peers may still write once the load has ended: stock Hocuspocus stores within 10 s. */
    settleMs: 11_000,
  },
  open: {
    /** Openings of the document by a cold server, and applications of its snapshot by Yjs alone, in turn. */
    openings: 5,
  },
} as const
