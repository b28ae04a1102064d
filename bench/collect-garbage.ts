/** Loaded before a server under measurement: SIGUSR2 has it collect its garbage, so that what it holds can be read. */
process.on('SIGUSR2', () => globalThis.gc?.())
