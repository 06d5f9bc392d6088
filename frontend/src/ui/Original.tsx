/** The song as it was dropped, to hear while it is uploaded and separated. The browser plays the file itself. */
import { useEffect, useRef, useState } from 'react'
import { readPlaying, savePlaying } from '../songs/playing'

interface Props {
  file: File
  title: string
  /** Session id of the song; null before its upload starts. The player of the stems starts at the same place. */
  id: string | null
  /** Whether to play at once. */
  now: boolean
}

export function Original({ file, title, id, now }: Props) {
  const audio = useRef<HTMLAudioElement>(null)
  const [failed, setFailed] = useState(false)

  useEffect(() => {
    const element = audio.current
    if (element === null) return
    const url = URL.createObjectURL(file)
    element.src = url
    if (now && !othersPlay(element)) {
      element.play().catch(() => undefined) // a browser that forbids it leaves the button
    }
    return () => URL.revokeObjectURL(url)
  }, [file, now])

  const remember = (seconds: number) => {
    if (id !== null) savePlaying(id, { ...readPlaying(id), seconds })
  }
  // A file that the browser can't play, such as an AIFF, is still separated.
  return (
    <p className="original" hidden={failed}>
      <audio
        ref={audio}
        controls
        preload="metadata"
        aria-label={`${title}, original`}
        onTimeUpdate={(event) => remember(event.currentTarget.currentTime)}
        onError={() => setFailed(true)}
      />
    </p>
  )
}

function othersPlay(own: HTMLAudioElement | null): boolean {
  return [...document.querySelectorAll('audio')].some((other) => other !== own && !other.paused)
}
