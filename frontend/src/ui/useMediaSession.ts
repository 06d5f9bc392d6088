/** The song on the lock screen, and the keys of headsets and keyboards: play, pause, seek. */
import { useEffect, useRef } from 'react'
import { silence } from '../player/silence'

const STEP_S = 10 // as podcast and music players do
const UPDATE_MS = 1000

/** What plays; times in seconds. */
export interface Media {
  duration: number
  seconds: () => number
  seek: (seconds: number) => void
}

interface Options {
  title: string
  /** The same object while it is the same song. */
  media: Media
  playing: boolean
  /** Speed of playback, 1: as recorded. */
  tempo: number
  /** Whether keys are for it. Others have no effect here. */
  hasKeys: boolean
  toggle: () => void
}

export function useMediaSession({ title, media, playing, tempo, hasKeys, toggle }: Options): void {
  const latest = useRef({ playing, toggle })
  useEffect(() => {
    latest.current = { playing, toggle }
  })

  useEffect(() => {
    const session = mediaSession()
    if (session === null || !hasKeys) return
    const move = (seconds: number) => media.seek(media.seconds() + seconds)
    const handlers: [MediaSessionAction, MediaSessionActionHandler][] = [
      ['play', () => latest.current.playing || latest.current.toggle()],
      ['pause', () => latest.current.playing && latest.current.toggle()],
      ['seekbackward', ({ seekOffset }) => move(-(seekOffset ?? STEP_S))],
      ['seekforward', ({ seekOffset }) => move(seekOffset ?? STEP_S)],
      ['seekto', ({ seekTime }) => media.seek(seekTime ?? 0)],
      ['previoustrack', () => media.seek(0)],
    ]
    for (const [action, handler] of handlers) setHandler(session, action, handler)
    session.metadata = new MediaMetadata({
      title,
      artist: 'Unbraid',
      artwork: [{ src: './icon-512.png', sizes: '512x512', type: 'image/png' }],
    })
    return () => {
      for (const [action] of handlers) setHandler(session, action, null)
      session.metadata = null
    }
  }, [media, title, hasKeys])

  useEffect(() => {
    const session = mediaSession()
    if (session === null || !hasKeys) return
    session.playbackState = playing ? 'playing' : 'paused'
    const update = () => {
      const { duration } = media
      session.setPositionState({ duration, position: Math.min(media.seconds(), duration), playbackRate: tempo })
    }
    update()
    const stop = playing ? silence() : undefined
    const timer = playing ? setInterval(update, UPDATE_MS) : undefined
    return () => {
      stop?.()
      clearInterval(timer)
      session.playbackState = 'none'
    }
  }, [media, playing, tempo, hasKeys])
}

function mediaSession(): MediaSession | null {
  return 'mediaSession' in navigator ? navigator.mediaSession : null
}

function setHandler(session: MediaSession, action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
  try {
    session.setActionHandler(action, handler)
  } catch {
    // This browser doesn't know the action.
  }
}
