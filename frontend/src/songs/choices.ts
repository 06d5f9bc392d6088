/** What was last wanted of songs is wanted of the next ones too; kept in this browser. */
import type { Choices } from '../api/types'

const NAME = 'unbraid.choices'
const FIRST: Choices = { model: 'auto', stems: 'vocals', format: 'wav', video: false, notify: '' }

export function readChoices(): Choices {
  try {
    const kept = JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Choices>
    const { model = FIRST.model, stems = FIRST.stems, format = FIRST.format } = kept
    return { model, stems, format, video: kept.video === true, notify: kept.notify ?? '' }
  } catch {
    return FIRST
  }
}

export function writeChoices(choices: Choices): void {
  localStorage.setItem(NAME, JSON.stringify(choices))
}
