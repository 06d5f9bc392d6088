/** The players on the page. One sounds at a time, and shortcuts are for the one that sounds, or that was used last. */
import { useCallback, useEffect, useRef } from 'react'

interface Shown {
  playing: boolean
  pause: () => void
}

const shown: Shown[] = [] // the one that was used last at the end

/** Whether a song sounds. */
export function anyPlays(): boolean {
  return shown.some((player) => player.playing)
}

interface Options extends Shown {
  /** Whether the user has opened it. Otherwise others keep the shortcuts until it plays. */
  opened: boolean
}

/** Show a player. Returns a function that tells whether shortcuts are for it. */
export function usePlayerOnPage({ playing, pause, opened }: Options): () => boolean {
  const own = useRef<Shown>({ playing: false, pause })
  useEffect(() => {
    own.current.pause = pause
  })
  useEffect(() => {
    const player = own.current
    if (opened) shown.push(player)
    else shown.unshift(player)
    return () => remove(player)
  }, [opened])
  useEffect(() => {
    const player = own.current
    player.playing = playing
    if (!playing) return
    for (const other of shown) if (other !== player && other.playing) other.pause()
    remove(player)
    shown.push(player)
  }, [playing])
  return useCallback(() => (shown.filter((player) => player.playing).at(-1) ?? shown.at(-1)) === own.current, [])
}

function remove(player: Shown): void {
  const index = shown.indexOf(player)
  if (index >= 0) shown.splice(index, 1)
}
