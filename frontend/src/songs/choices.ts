/** The choices for the next songs, remembered in this browser. */
import type { Choices } from '../api/types'

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
