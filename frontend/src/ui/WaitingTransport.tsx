/** The transport of a song that sounds while the player of its finished stems loads. */
import { useEffect, useSyncExternalStore } from 'react'
import { isWaiting, keepWaiting, subscribeWaiting, toggleWaiting, waitingPlays } from '../player/handover'
import { Icon } from './Icon'
import { usePlayerOnPage } from './players'
import { useShortcuts } from './useShortcuts'

interface Props {
  id: string
  title: string
}

export function WaitingTransport({ id, title }: Props) {
  return useSyncExternalStore(subscribeWaiting, () => isWaiting(id)) ? <Transport id={id} title={title} /> : null
}

function Transport({ id, title }: Props) {
  const playing = useSyncExternalStore(subscribeWaiting, () => waitingPlays(id))
  const toggle = () => toggleWaiting(id)
  useEffect(() => keepWaiting(id), [id])
  useShortcuts({ toggle }, usePlayerOnPage({ playing, pause: toggle, place: 'last' }))
  return (
    <div className="transport" role="group" aria-label={`Play ${title}`}>
      <button type="button" className="primary play" onClick={toggle} aria-label={playing ? 'Pause' : 'Play'}>
        <Icon name={playing ? 'pause' : 'play'} />
      </button>
    </div>
  )
}
