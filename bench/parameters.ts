/** Everything that shapes a measurement. */
export const parameters = {
  /** Each figure is the median of so many rounds, the peers in turn. */
  rounds: 3,
  writes: {
    /** Writers stay for long, and V8 compiles in the first seconds. */
    warmUpMs: 6_000,
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
  connect: {
    clients: 5_000,
    documents: 500,
    processes: 4,
    /** How many connect at the same time. */
    together: 32,
    isPresent: true,
    /** Who is connected before the others, and stays. */
    residents: { clients: 500, documents: 50 },
    /** Crowds that come and go before the measured one: V8 compiles what is used much. */
    warmUps: 3,
    /** Until a crowd has left. */
    settleMs: 2_000,
  },
  idle: {
    /** A process has at most 20,000 files open where this was made. */
    clients: 19_000,
    documents: 1_900,
    processes: 4,
    together: 32,
    rounds: 2,
    settleMs: 2_000,
    measuredMs: 30_000,
  },
  together: {
    clients: 10_000,
    documents: 1_000,
    processes: 4,
    together: 32,
    isPresent: true,
    /** Edits a second of all clients, one after the other. */
    loads: [1_000, 1_500, 2_000],
    newcomersPerSecond: 20,
    warmUpMs: 3_000,
    measuredMs: 10_000,
    /** An edit that is not everywhere by then is lost, ms. */
    patienceMs: 30_000,
  },
  notify: {
    /** Of one call, beside as many calls, so many at a time. */
    recipients: 10_000,
    together: 64,
    /** People with their inbox open, spread over so many processes. */
    online: 5_000,
    processes: 4,
    perSecond: 100,
    measuredMs: 30_000,
    /** What is not seen by then is lost, ms. */
    patienceMs: 30_000,
  },
  storm: {
    clients: 1_000,
    clientsPerDocument: 10,
    /** The clients are spread over so many processes. */
    processes: 4,
    /** How long the server is away, besides its start. */
    downMs: 2_000,
    /** Of the histogram, ms. */
    bucketMs: 500,
    /** A client that is not back by then is lost, ms. */
    patienceMs: 120_000,
  },
  cluster: {
    /** Documents, clients of each at each of two instances, and how often each of them writes, in edits a second. */
    loads: [
      { name: 'one writer alone', documents: 1, clients: 1, writers: 'one', editsPerSecond: 2 },
      { name: '20 documents', documents: 20, clients: 2, writers: 'all', editsPerSecond: 5 },
    ],
    /** Of Postgres alone, one after the other. */
    commits: 500,
    warmUpMs: 2_000,
    measuredMs: 12_000,
    /** What edits may still cause once they are everywhere, as stock Hocuspocus stores after 2 s. */
    settleMs: 3_000,
    /** Without any edits. */
    atRestMs: 5_000,
    /** An edit that is not everywhere by then is lost, ms. */
    patienceMs: 30_000,
  },
  flood: {
    /** With two clients each. */
    documents: 10,
    /** How many updates the flood is ahead of their acknowledgements. */
    window: 10_000,
    warmUpMs: 2_000,
    measuredMs: 8_000,
  },
  crowd: {
    /** A crowd stays for long, and V8 compiles in the first seconds. */
    warmUpMs: 8_000,
    measuredMs: 5_000,
    fanOut: [
      {
        name: 'fan-out, 500 readers, 60,000 deliveries/s',
        people: 500,
        watched: 10,
        writers: 5,
        editsPerSecond: 120,
        presencePerSecond: 0,
        isForAll: true,
      },
      {
        name: 'fan-out, 500 readers, 300,000 deliveries/s',
        people: 500,
        watched: 10,
        writers: 5,
        editsPerSecond: 600,
        presencePerSecond: 0,
        isForAll: false,
      },
    ],
    presence: {
      name: 'presence, 1,000 people at 1 Hz',
      people: 1_000,
      watched: 10,
      writers: 5,
      editsPerSecond: 10,
      presencePerSecond: 1,
    },
  },
  large: {
    /** Of the document that is opened and edited, and of the one that many join. */
    openedBytes: 20e6,
    joinedBytes: 4e6,
    /** Who wrote them, and how many edits the log has behind the snapshot. */
    clients: 8,
    tail: 5_000,
    joiners: 500,
    /** How many of them compare what they got with the document. */
    checked: 3,
    /** Edits of who types in the large document, and of who edits a small one beside it for a part of the time. */
    perSecond: 5,
    besidePerSecond: 20,
    editingMs: 20_000,
    /** What may still be written once the edits have ended: stock Hocuspocus stores within 10 s. */
    settleMs: 11_000,
    /** What takes longer has failed, ms. */
    patienceMs: 300_000,
  },
  memory: {
    /** Open at once, some on each connection, and what each of them says: its typists take turns. */
    documents: 2_000,
    perConnection: 500,
    together: 25,
    letters: 2_000,
    typists: 8,
    /** After everybody has left: more than a document stays in memory for who comes back. */
    leftMs: 40_000,
    /** Written while somebody doesn't read, bytes: all of it, each time, and how many updates ahead of their acknowledgements. */
    unread: { bytes: 200e6, perUpdate: 64_000, window: 4 },
    sampleMs: 50,
    /** What takes longer has failed, ms. */
    patienceMs: 120_000,
  },
  open: {
    /** Openings of the document by a cold server, and applications of its snapshot by Yjs alone, in turn. */
    openings: 5,
  },
  chat: {
    /** Messages; one short of a full segment, so that the newest one holds many in both. */
    bigRoom: 99_999,
    smallRoom: 999,
    openings: 7,
    pageSize: 100,
    /** Pages and searches in one round, and how many of them are under way at once. */
    asked: 200,
    askedTogether: 8,
    askingRounds: 7,
    /** Rooms, one writer each, and how many messages a writer sends ahead of their acknowledgements. */
    loads: [
      { rooms: 1, window: 64 },
      { rooms: 50, window: 16 },
    ],
    rounds: 5,
    warmUpMs: 6_000,
    measuredMs: 3_000,
  },
} as const
