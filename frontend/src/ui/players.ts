/** The players on the page. One sounds at a time. Keys are for the one that sounds, or that was used last. */
import { useCallback, useEffect, useRef, useSyncExternalStore } from 'react'

interface Shown {
  playing: boolean
  pause: () => void
  /** Whether keys can be for it. */
  hasKeys: boolean
}

const shown: Shown[] = [] // the one that was used last at the end
const listeners = new Set<() => void>()

/** Whether a song sounds. */
export function anyPlays(): boolean {
  return shown.some((player) => player.playing)
}

interface Options extends Pick<Shown, 'playing' | 'pause'> {
  /**
   * 'last': the user has opened it, so it gets the keys. 'first': others keep them until it plays. 'beside': it never gets
   * them, as it belongs to another player.
   */
  place: 'first' | 'last' | 'beside'
}

/** Show a player. Returns whether keys are for it: shortcuts, and those of headsets and lock screens. */
export function usePlayerOnPage({ playing, pause, place }: Options): boolean {
  const own = useRef<Shown>({ playing: false, pause, hasKeys: place !== 'beside' })
  useEffect(() => {
    own.current.pause = pause
  })
  useEffect(() => {
    const player = own.current
    if (place === 'last') shown.push(player)
    else shown.unshift(player)
    changed()
    return () => {
      remove(player)
      changed()
    }
  }, [place])
  useEffect(() => {
    const player = own.current
    player.playing = playing
    if (playing) {
      for (const other of shown) if (other !== player && other.playing) other.pause()
      remove(player)
      shown.push(player)
    }
    changed()
  }, [playing])
  return useSyncExternalStore(
    subscribe,
    useCallback(() => withKeys() === own.current, []),
  )
}

/** The player that keys are for. */
function withKeys(): Shown | undefined {
  const candidates = shown.filter((player) => player.hasKeys)
  return candidates.findLast((player) => player.playing) ?? candidates.at(-1)
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function changed(): void {
  for (const listener of listeners) listener()
}

function remove(player: Shown): void {
  const index = shown.indexOf(player)
  if (index >= 0) shown.splice(index, 1)
}
