/** The song on the lock screen, and the keys of headsets and keyboards: play, pause, seek. */
import { useEffect, useRef } from 'react'
import type { Engine } from '../player/engine'
import { silence } from '../player/silence'

const STEP_S = 10 // as podcast and music players do
const UPDATE_MS = 1000

interface Options {
  title: string
  engine: Engine
  playing: boolean
  /** Speed of playback, 1: as recorded. */
  tempo: number
  toggle: () => void
}

export function useMediaSession({ title, engine, playing, tempo, toggle }: Options): void {
  const latest = useRef({ playing, toggle })
  useEffect(() => {
    latest.current = { playing, toggle }
  })

  useEffect(() => {
    const session = mediaSession()
    if (session === null) return
    const { sampleRate } = engine.layout
    const move = (seconds: number) => engine.seek(engine.position + seconds * sampleRate)
    const handlers: [MediaSessionAction, MediaSessionActionHandler][] = [
      ['play', () => latest.current.playing || latest.current.toggle()],
      ['pause', () => latest.current.playing && latest.current.toggle()],
      ['seekbackward', ({ seekOffset }) => move(-(seekOffset ?? STEP_S))],
      ['seekforward', ({ seekOffset }) => move(seekOffset ?? STEP_S)],
      ['seekto', ({ seekTime }) => engine.seek((seekTime ?? 0) * sampleRate)],
      ['previoustrack', () => engine.seek(0)],
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
      session.playbackState = 'none'
    }
  }, [engine, title])

  useEffect(() => {
    const session = mediaSession()
    if (session === null) return
    session.playbackState = playing ? 'playing' : 'paused'
    const { samples, sampleRate } = engine.layout
    const update = () => {
      const position = Math.min(engine.position, samples) / sampleRate
      session.setPositionState({ duration: samples / sampleRate, position, playbackRate: tempo })
    }
    update()
    if (!playing) return
    const stop = silence()
    const timer = setInterval(update, UPDATE_MS)
    return () => {
      stop()
      clearInterval(timer)
    }
  }, [engine, playing, tempo])
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
