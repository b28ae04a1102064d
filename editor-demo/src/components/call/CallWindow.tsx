import { useEffect, useState } from 'react'
import { joinCall, type MeshCall, takesPart } from '../../../../client/calls/index.ts'
import { partyOf } from '../../../../client/index.ts'
import { useSession } from '../../../../client/react/index.ts'
import type { DirectCall } from '../../chat/direct-chats.ts'
import { knownPeople, personOf } from '../../chat/names.ts'
import { useStore } from '../../hooks/use-store.ts'
import { Icon, type IconName } from '../Icon.tsx'

interface Props {
  readonly self: string
  readonly calls: readonly DirectCall[]
}

/** The call that this window takes part in, or one that rings here. Who is in a call declines others. */
export function CallWindow({ self, calls }: Props) {
  const current = calls.find(({ chat, call }) => takesPart(call, self, chat.calls.device))
  const incoming = calls.filter(({ call }) => partyOf(call, self)?.state === 'ringing')
  useEffect(() => {
    if (current === undefined) return
    for (const { chat, call } of incoming) chat.calls.decline(call.id)
  })
  if (current !== undefined) return <JoinedCall key={current.call.id} self={self} current={current} />
  const [first] = incoming
  return first === undefined ? null : <RingingCall current={first} />
}

function RingingCall({ current: { user, chat, call } }: { current: DirectCall }) {
  const { name } = personOf(user, useStore(knownPeople))
  return (
    <section className="call-window" role="alertdialog" aria-label={`${name} is calling`}>
      <h2>{name} is calling</h2>
      <div className="call-actions">
        <button type="button" className="button button-primary" onClick={() => chat.calls.answer(call.id)}>
          Answer
        </button>
        <button type="button" className="button" onClick={() => chat.calls.decline(call.id)}>
          Decline
        </button>
      </div>
    </section>
  )
}

function JoinedCall({ self, current: { user, chat, call } }: { self: string; current: DirectCall }) {
  const { name } = personOf(user, useStore(knownPeople))
  const media = useJoined(chat.room, call.id)
  const rings = call.state === 'ringing'
  const leave = () => {
    if (rings && call.from === self) chat.calls.cancel(call.id)
    else chat.calls.end(call.id)
  }
  return (
    <section className="call-window" aria-label={`Call with ${name}`}>
      <h2>{rings ? `Calling ${name}…` : name}</h2>
      {media !== undefined && <Pictures media={media} name={name} rings={rings} />}
      <div className="call-actions">
        {media !== undefined && <Switches media={media} />}
        <button type="button" className="button call-end" onClick={leave}>
          {rings ? 'Cancel' : 'End'}
        </button>
      </div>
    </section>
  )
}

function Pictures({ media, name, rings }: { media: MeshCall; name: string; rings: boolean }) {
  const { local, peers } = useStore(media.state)
  const [peer] = peers
  const own = local.shared ?? local.video
  return (
    <div className="call-pictures">
      {peer?.stream !== undefined && (
        <Video label={`${name}’s picture`} stream={peer.stream} className="call-remote" muted={false} />
      )}
      {own !== undefined && <OwnPicture track={own} />}
      <p role="status">{rings ? '' : stateText(peer?.connection)}</p>
      {problemOf(local.microphone, 'microphone')}
      {problemOf(local.camera, 'camera')}
    </div>
  )
}

function OwnPicture({ track }: { track: MediaStreamTrack }) {
  const [stream, setStream] = useState<MediaStream>()
  useEffect(() => setStream(new MediaStream([track])), [track])
  return stream === undefined ? null : <Video label="Your picture" stream={stream} className="call-own" muted />
}

interface VideoProps {
  readonly label: string
  readonly stream: MediaStream
  readonly className: string
  readonly muted: boolean
}

function Video({ label, stream, className, muted }: VideoProps) {
  const [element, setElement] = useState<HTMLVideoElement | null>(null)
  useEffect(() => {
    if (element !== null) element.srcObject = stream
  }, [element, stream])
  return <video ref={setElement} className={className} aria-label={label} autoPlay playsInline muted={muted} />
}

function Switches({ media }: { media: MeshCall }) {
  const { local } = useStore(media.state)
  const isMuted = local.microphone !== 'on'
  const isDark = local.camera !== 'on'
  const isShared = local.screen === 'on'
  return (
    <>
      <Switch name="Mute" icon="microphone" isOn={isMuted} onChange={(isOn) => void media.setMuted(isOn)} />
      <Switch name="Camera off" icon="camera" isOn={isDark} onChange={(isOn) => void media.setCameraOff(isOn)} />
      <Switch
        name="Share the screen"
        icon="screen"
        isOn={isShared}
        onChange={(isOn) => void media.setScreenShared(isOn)}
      />
    </>
  )
}

interface SwitchProps {
  readonly name: string
  readonly icon: IconName
  readonly isOn: boolean
  onChange(isOn: boolean): void
}

function Switch({ name, icon, isOn, onChange }: SwitchProps) {
  return (
    <button
      type="button"
      className="icon-button call-switch"
      aria-label={name}
      aria-pressed={isOn}
      data-tooltip={name}
      onClick={() => onChange(!isOn)}
    >
      <Icon name={icon} />
    </button>
  )
}

/** The media of a call, for as long as this is mounted and the call lasts. */
function useJoined(room: string, id: string): MeshCall | undefined {
  const session = useSession()
  const [media, setMedia] = useState<MeshCall>()
  useEffect(() => {
    if (session === undefined) return
    const joined = joinCall(session, room, id)
    setMedia(joined)
    return () => joined.hangUp()
  }, [session, room, id])
  return media
}

function stateText(connection: string | undefined): string {
  if (connection === 'connected') return 'Connected'
  return connection === 'failed' ? 'No connection' : 'Connecting…'
}

function problemOf(state: string, device: string) {
  const problems: Readonly<Record<string, string>> = {
    denied: 'is not allowed',
    missing: 'is missing',
    busy: 'is in use elsewhere',
    failed: 'does not work',
  }
  const problem = problems[state]
  return problem === undefined ? null : (
    <p>
      The {device} {problem}.
    </p>
  )
}
