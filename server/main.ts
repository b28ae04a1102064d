#!/usr/bin/env node
import { CoweaveError } from '../model/errors.ts'
import { runCommand } from './commands.ts'

try {
  await runCommand(process.argv.slice(2), process.env)
} catch (error) {
  // What is wrong and what to do is in the message; only the unexpected needs a stack.
  process.stderr.write(
    error instanceof CoweaveError
      ? `${error.code}: ${error.message}\n`
      : `${String(error instanceof Error ? error.stack : error)}\n`,
  )
  process.exitCode = 1
}
