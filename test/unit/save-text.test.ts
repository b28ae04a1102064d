import { expect, test } from 'vitest'
import type { DocumentState } from '../../client/index.ts'
import { statusText } from '../../editor-demo/src/components/save-text.ts'
import { saveStatusOf } from '../../editor-demo/src/save-status.ts'

const saved: DocumentState = {
  status: { kind: 'online', via: 'socket' },
  ready: true,
  synced: true,
  readOnly: false,
  unsaved: 0,
  kept: true,
  unkept: 0,
  unseenPeople: 0,
}
const offline = { kind: 'offline', reason: 'the network is away' } as const
const refused = { kind: 'refused', refusal: { reason: 'forbidden', message: '' } } as const

test.each<[label: string, state: Partial<DocumentState>]>([
  ['Saved', {}],
  ['Saved', { status: { kind: 'online', via: 'http' } }],
  ['Saving…', { unsaved: 1 }],
  ['Connecting…', { status: { kind: 'connecting' }, synced: false }],
  ['Saving…', { status: { kind: 'connecting' }, synced: false, unsaved: 2 }],
  ['Offline', { status: offline }],
  ['Offline: 1 change kept in this browser', { status: offline, unsaved: 1 }],
  ['Offline: 3 changes kept in this browser', { status: offline, unsaved: 3 }],
  ['Offline: 2 changes kept in this browser', { status: offline, unsaved: 3, unkept: 1 }],
  ['Offline', { status: offline, unsaved: 1, unkept: 1 }],
  ['Offline: 1 change not kept', { status: offline, unsaved: 1, unkept: 1, kept: false }],
  ['Read only', { readOnly: 'grant' }],
  ['Read only: 2 changes kept in this browser', { readOnly: 'schema-too-old', unsaved: 2 }],
  ['Offline', { status: offline, readOnly: 'grant' }],
  ['No access', { status: refused }],
  ['Not saved: 2 changes not kept', { status: refused, unsaved: 2, unkept: 2, kept: false }],
])('says “%s”', (label, state) => {
  expect(statusText(saveStatusOf({ ...saved, ...state })).label).toBe(label)
})
