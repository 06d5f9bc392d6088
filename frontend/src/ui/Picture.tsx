/** The picture of a video, without its sound, in step with the stems. */
import { useEffect, useRef, useState } from 'react'
import type { Engine } from '../player/engine'
import { correction, startInVideo } from '../player/picture'

interface Props {
  url: string
  title: string
  engine: Engine
  tempo: number
  /** Start of the separated part in the video. */
  start: number | null | undefined
}

const FOLLOW_EVERY_MS = 100

export function Picture({ url, title, engine, tempo, start }: Props) {
  const video = useRef<HTMLVideoElement>(null)
  const [shown, setShown] = useState(false)
  // A new status has a new link to the same file: the loaded one goes on.
  const [source, setSource] = useState(url)
  const [renewed, setRenewed] = useState(false)

  useEffect(() => {
    const follow = () => {
      const element = video.current
      if (element === null || element.readyState === 0 || element.seeking) return
      const seconds = startInVideo(start, element.duration) + engine.position / engine.layout.sampleRate
      const { seek, rate } = correction(element.currentTime, { seconds, playing: engine.playing, tempo })
      if (seek !== null && seek <= element.duration) element.currentTime = seek
      element.playbackRate = rate
      if (engine.playing && element.paused && !element.ended) element.play().catch(() => undefined)
      else if (!engine.playing && !element.paused) element.pause()
    }
    const timer = setInterval(follow, FOLLOW_EVERY_MS)
    return () => clearInterval(timer)
  }, [engine, tempo, start])

  return (
    <video
      ref={video}
      className="picture"
      hidden={!shown}
      src={source}
      muted
      playsInline
      disablePictureInPicture
      preload="auto"
      aria-label={`Picture of ${title}`}
      onLoadedMetadata={(event) => setShown(event.currentTarget.videoWidth > 0)}
      onError={() => {
        // The link may have expired. A format that the browser can't show stays hidden.
        setShown(false)
        if (renewed || url === source) return
        setRenewed(true)
        setSource(url)
      }}
    />
  )
}
