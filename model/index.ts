export { CloseCode, mayRetryUnchanged } from './close-codes.ts'
export { documentNameProblem, parseDocumentName } from './document-name.ts'
export { CoweaveError } from './errors.ts'
