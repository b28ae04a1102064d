/**
 * Loaded before a server under measurement: SIGUSR2 has it collect its garbage, and give back what it needs no more, so
 * that what it holds can be read.
 */
process.on('SIGUSR2', () => globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }))
