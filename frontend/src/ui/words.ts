/** What a card says of its song. */
import { percent, span } from '../lib/format'
import type { Phase, Song } from '../songs/song'

export interface Words {
  /** Where it stands. */
  line: string
  /** How long that will take. */
  left: string
  /** Why that may take longer than one would think; shown when it does. */
  hint: string
  /** How far it has come, 0 to 1; null: nothing is under way. */
  fraction: number | null
}

const WAKING = 'Waiting for a machine. The first song after a pause wakes one up, which takes some minutes.'

const STAGES: Record<string, string> = {
  downloading: 'Downloading the model',
  analysing: 'Reading the song',
  separating: 'Taking it apart',
  writing: 'Writing the files',
}

/** `wakes`: the machine that separates may be asleep. */
export function wordsFor(song: Song, phase: Phase, wakes: boolean): Words {
  const { status, upload, sent } = song
  const left = (seconds: number | null | undefined) => (seconds == null ? '' : `${span(seconds)} left`)
  const still = (line: string): Words => ({ line, left: '', hint: '', fraction: null })
  switch (phase) {
    case 'waiting':
      return { line: 'Waits for its turn to be uploaded', left: '', hint: '', fraction: 0 }
    case 'uploading': {
      const fraction = upload?.fraction ?? 0
      return { line: `Uploading · ${percent(fraction)}`, left: left(upload?.secondsLeft), hint: '', fraction }
    }
    case 'uploading elsewhere': {
      const fraction = sent?.fraction ?? 0
      return { line: `Uploading in another tab · ${percent(fraction)}`, left: '', hint: '', fraction }
    }
    case 'upload failed':
      return still(upload?.problem ?? 'The upload failed.')
    case 'interrupted':
      return still('The upload was interrupted. Choose the file once more to go on.')
    case 'loading':
      return still('Asking the server…')
    case 'queued': {
      const position = status?.queue_position ?? null
      // an estimate of the work would not count the waking up
      const asleep = wakes && (position ?? 1) <= 1
      return { line: queued(position), left: asleep ? '' : left(status?.eta_seconds), hint: asleep ? WAKING : '', fraction: 0 }
    }
    case 'working': {
      const fraction = status?.progress ?? 0
      const stage = STAGES[status?.stage ?? ''] ?? 'Taking it apart'
      return { line: `${stage} · ${percent(fraction)}`, left: left(status?.eta_seconds), hint: '', fraction }
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
