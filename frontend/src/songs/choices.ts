/** The choices for the next songs, remembered in this browser. */
import type { Choices } from '../api/types'
import { isTime } from '../lib/format'
import { isVideo } from './song'

const STORAGE_KEY = 'unbraid.choices'
const DEFAULTS: Choices = { model: 'auto', stems: 'vocals', format: 'wav', video: false, notify: '' }

export function readChoices(): Choices {
  try {
    const stored = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}') as Partial<Choices>
    const { model = DEFAULTS.model, stems = DEFAULTS.stems, format = DEFAULTS.format } = stored
    return { model, stems, format, video: stored.video === true, notify: stored.notify ?? '' }
  } catch {
    return DEFAULTS
  }
}

/** A part of a song isn't remembered: it fits one song. */
export function writeChoices({ model, stems, format, video, notify }: Choices): void {
  localStorage.setItem(STORAGE_KEY, JSON.stringify({ model, stems, format, video, notify }))
}

/** The choices for one song: a video is only made from a whole video. Times that the form marks as wrong are left out. */
export function choicesFor(song: { name: string; type: string }, { start = '', end = '', ...choices }: Choices): Choices {
  const part = { ...(isTime(start) && { start }), ...(isTime(end) && { end }) }
  return { ...choices, video: choices.video && isVideo(song) && Object.keys(part).length === 0, ...part }
}
