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
  /** 'last': the user has opened it, so it gets the keys. 'first': others keep them until it plays. */
  place: 'first' | 'last'
  toggle: () => void
}

/** The songs on the page: the keys are for the last one, which plays or was used last. */
const songs: Shown[] = []

interface Shown {
  show: () => void
}

export function useMediaSession({ title, media, playing, tempo, place, toggle }: Options): void {
  const latest = useRef({ playing, toggle })
  const own = useRef<Shown>({ show: () => undefined })
  useEffect(() => {
    latest.current = { playing, toggle }
  })

  useEffect(() => {
    const session = mediaSession()
    if (session === null) return
    const move = (seconds: number) => media.seek(media.seconds() + seconds)
    const handlers: [MediaSessionAction, MediaSessionActionHandler][] = [
      ['play', () => latest.current.playing || latest.current.toggle()],
      ['pause', () => latest.current.playing && latest.current.toggle()],
      ['seekbackward', ({ seekOffset }) => move(-(seekOffset ?? STEP_S))],
      ['seekforward', ({ seekOffset }) => move(seekOffset ?? STEP_S)],
      ['seekto', ({ seekTime }) => media.seek(seekTime ?? 0)],
      ['previoustrack', () => media.seek(0)],
    ]
    const song = own.current
    song.show = () => {
      for (const [action, handler] of handlers) setHandler(session, action, handler)
      session.metadata = new MediaMetadata({
        title,
        artist: 'Unbraid',
        artwork: [{ src: './icon-512.png', sizes: '512x512', type: 'image/png' }],
      })
    }
    if (place === 'last') songs.push(song)
    else songs.unshift(song)
    songs.at(-1)?.show()
    return () => {
      remove(song)
      for (const [action] of handlers) setHandler(session, action, null)
      session.metadata = null
      session.playbackState = 'none'
      songs.at(-1)?.show()
    }
  }, [media, title, place])

  useEffect(() => {
    const session = mediaSession()
    if (session === null) return
    const song = own.current
    if (playing && songs.at(-1) !== song) {
      remove(song)
      songs.push(song)
      song.show()
    }
    if (songs.at(-1) !== song) return
    session.playbackState = playing ? 'playing' : 'paused'
    const update = () => {
      const { duration } = media
      session.setPositionState({ duration, position: Math.min(media.seconds(), duration), playbackRate: tempo })
    }
    update()
    if (!playing) return
    const stop = silence()
    const timer = setInterval(update, UPDATE_MS)
    return () => {
      stop()
      clearInterval(timer)
    }
  }, [media, playing, tempo])
}

function remove(song: Shown): void {
  const index = songs.indexOf(song)
  if (index >= 0) songs.splice(index, 1)
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
