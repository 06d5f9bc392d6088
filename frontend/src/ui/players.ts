/** The players on the page. One sounds at a time, and shortcuts are for the one that sounds, or that was used last. */
import { useCallback, useEffect, useRef } from 'react'

interface Shown {
  playing: boolean
  pause: () => void
  /** Whether shortcuts can be for it. */
  hasKeys: boolean
}

const shown: Shown[] = [] // the one that was used last at the end

/** Whether a song sounds. */
export function anyPlays(): boolean {
  return shown.some((player) => player.playing)
}

interface Options extends Pick<Shown, 'playing' | 'pause'> {
  /**
   * 'last': the user has opened it, so it gets the shortcuts. 'first': others keep them until it plays. 'beside': it never
   * gets them, as it belongs to another player.
   */
  place: 'first' | 'last' | 'beside'
}

/** Show a player. Returns a function that tells whether shortcuts are for it. */
export function usePlayerOnPage({ playing, pause, place }: Options): () => boolean {
  const own = useRef<Shown>({ playing: false, pause, hasKeys: place !== 'beside' })
  useEffect(() => {
    own.current.pause = pause
  })
  useEffect(() => {
    const player = own.current
    if (place === 'last') shown.push(player)
    else shown.unshift(player)
    return () => remove(player)
  }, [place])
  useEffect(() => {
    const player = own.current
    player.playing = playing
    if (!playing) return
    for (const other of shown) if (other !== player && other.playing) other.pause()
    remove(player)
    shown.push(player)
  }, [playing])
  return useCallback(() => {
    const withKeys = shown.filter((player) => player.hasKeys)
    return (withKeys.filter((player) => player.playing).at(-1) ?? withKeys.at(-1)) === own.current
  }, [])
}

function remove(player: Shown): void {
  const index = shown.indexOf(player)
  if (index >= 0) shown.splice(index, 1)
}
