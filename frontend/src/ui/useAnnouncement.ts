/** What happened to the songs: shown, read by screen readers, and sent to the system if the user wants that. */
import { useEffect, useState } from 'react'
import { songTitle } from '../lib/format'
import { type Phase, phaseOf, type Song } from '../songs/song'
import { notify } from './notifications'

const SHOWN_MS = 8000

const SENTENCES: Partial<Record<Phase, (title: string) => string>> = {
  done: (title) => `“${title}” is ready.`,
  failed: (title) => `“${title}” failed.`,
  'upload failed': (title) => `“${title}” could not be uploaded.`,
  cancelled: (title) => `“${title}” was cancelled.`,
}

interface Known {
  phase: Phase
  title: string
}

/** The sentences for all changes between two states of the list. */
export function changes(before: ReadonlyMap<string, Known>, after: ReadonlyMap<string, Known>): string[] {
  const ended = [...after].flatMap(([key, { phase, title }]) => {
    const known = before.get(key)
    if (known === undefined || known.phase === phase || known.phase === 'loading') return []
    return SENTENCES[phase]?.(title) ?? []
  })
  const removed = [...before].flatMap(([key, { title }]) => (after.has(key) ? [] : `“${title}” was removed.`))
  return [...ended, ...removed]
}

export function useAnnouncement(songs: readonly Song[], now: number): string {
  const [known, setKnown] = useState<ReadonlyMap<string, Known>>(() => new Map())
  const [text, setText] = useState('')
  const present = new Map(songs.map((song) => [song.key, { phase: phaseOf(song, now), title: songTitle(song.name) }]))
  if (differ(known, present)) {
    setKnown(present)
    const sentences = changes(known, present)
    if (sentences.length > 0) setText(sentences.join(' '))
  }
  useEffect(() => {
    if (text === '') return
    notify(text)
    const timer = setTimeout(() => setText(''), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [text])
  return text
}

function differ(a: ReadonlyMap<string, Known>, b: ReadonlyMap<string, Known>): boolean {
  return a.size !== b.size || [...b].some(([key, { phase }]) => a.get(key)?.phase !== phase)
}
