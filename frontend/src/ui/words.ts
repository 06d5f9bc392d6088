/** What a card says of its song. */
import { percent, span } from '../lib/format'
import type { Phase, Song } from '../songs/song'

export interface Words {
  /** Where it stands. */
  line: string
  /** How long that will take. */
  left: string
  /** How far it has come, 0 to 1; null: nothing is under way. */
  fraction: number | null
}

const STAGES: Record<string, string> = {
  downloading: 'Downloading the model',
  analysing: 'Reading the song',
  separating: 'Taking it apart',
  writing: 'Writing the files',
}

export function wordsFor(song: Song, phase: Phase): Words {
  const { status, upload, sent } = song
  const left = (seconds: number | null | undefined) => (seconds == null ? '' : `${span(seconds)} left`)
  const still = (line: string): Words => ({ line, left: '', fraction: null })
  switch (phase) {
    case 'waiting':
      return { line: 'Waits for its turn to be uploaded', left: '', fraction: 0 }
    case 'uploading': {
      const fraction = upload?.fraction ?? 0
      return { line: `Uploading · ${percent(fraction)}`, left: left(upload?.secondsLeft), fraction }
    }
    case 'uploading elsewhere': {
      const fraction = sent?.fraction ?? 0
      return { line: `Uploading in another tab · ${percent(fraction)}`, left: '', fraction }
    }
    case 'upload failed':
      return still(upload?.problem ?? 'The upload failed.')
    case 'interrupted':
      return still('The upload was interrupted. Choose the file once more to go on.')
    case 'loading':
      return still('Asking the server…')
    case 'queued':
      return { line: queued(status?.queue_position ?? null), left: left(status?.eta_seconds), fraction: 0 }
    case 'working': {
      const fraction = status?.progress ?? 0
      const stage = STAGES[status?.stage ?? ''] ?? 'Taking it apart'
      return { line: `${stage} · ${percent(fraction)}`, left: left(status?.eta_seconds), fraction }
    }
    case 'done':
      return still('Done')
    case 'failed':
      return still(status?.error_message ?? 'This song could not be taken apart.')
    case 'cancelled':
      return still('Cancelled.')
    case 'gone':
      return still('Expired, or deleted.')
  }
}

function queued(position: number | null): string {
  if (position === null) return 'In the queue'
  return position <= 1 ? 'Next in the queue' : `In the queue: ${position - 1} before it`
}
