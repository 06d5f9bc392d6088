/** The text on a song's card. */
import type { Status } from '../api/types'
import { formatDuration, formatPercent } from '../lib/format'
import { type Estimate, NO_ESTIMATE } from '../songs/estimate'
import type { Phase, Song } from '../songs/song'

export interface StatusText {
  line: string
  /** How long the work still takes. */
  remaining: string
  /** Why the wait may be longer than usual. */
  hint: string
  /** Why the time left is longer than was shown before. */
  reason: string
  /** Progress, 0 to 1; null: no progress bar. */
  fraction: number | null
}

const STARTING = 'Starting a machine. After a break, the first song waits a few minutes for it.'

/** Before the first stage, the worker fetches the song and loads the model. */
const BEGINNING = 'Getting ready'

const DOWNLOADING = 'downloading'

const STAGES: Record<string, string> = {
  downloading: 'Downloading the model',
  analysing: 'Reading the song',
  separating: 'Separating',
  writing: 'Writing the stems',
}

/** `wakes`: the machine that separates may have to start first (see `ServerConfig`). */
export function statusText(song: Song, phase: Phase, wakes: boolean): StatusText {
  const { status, upload, sent } = song
  const estimate = song.estimate ?? NO_ESTIMATE
  switch (phase) {
    case 'waiting':
      return { ...text('Waiting to be uploaded'), fraction: 0 }
    case 'uploading':
      return progress('Uploading', upload?.fraction, upload?.estimate)
    case 'uploading elsewhere':
      return progress('Uploading in another tab', sent?.fraction)
    case 'upload failed':
      return text(upload?.problem ?? 'The upload failed.')
    case 'interrupted':
      return text(interruptedLine(song))
    case 'loading':
      return text('Loading…')
    case 'queued': {
      const position = status?.queue_position ?? null
      const starting = wakes && (position ?? 1) <= 1
      // The server's estimate does not include the start of the machine.
      if (starting) return { line: queueLine(position), remaining: '', hint: STARTING, reason: '', fraction: 0 }
      const line = `${queueLine(position)}${startText(status, estimate)}`
      return { line, remaining: timeLeft(estimate), hint: '', reason: estimate.reason, fraction: 0 }
    }
    case 'working': {
      const stage = STAGES[status?.stage ?? '']
      const remaining = timeLeft(estimate)
      if (stage === undefined) return { line: BEGINNING, remaining, hint: '', reason: estimate.reason, fraction: 0 }
      const shown = progress(stage, status?.progress, estimate)
      // The percentage is the download's, the time includes the song.
      if (status?.stage === DOWNLOADING && remaining !== '') shown.remaining = `${remaining} with the separation`
      return shown
    }
    case 'done':
      return text('Done')
    case 'failed':
      return text(status?.error_message ?? 'This song could not be separated.')
    case 'cancelled':
      return text('Cancelled.')
    case 'gone':
      return text('Expired or deleted.')
  }
}

/** Tempo and key: "120 BPM · A minor"; empty if the song has neither. */
export function musicText({ bpm, key }: Status): string {
  return [bpm == null ? '' : `${bpm} BPM`, key ?? ''].filter((part) => part !== '').join(' · ')
}

function text(line: string): StatusText {
  return { line, remaining: '', hint: '', reason: '', fraction: null }
}

function progress(activity: string, fraction = 0, estimate = NO_ESTIMATE): StatusText {
  const line = `${activity} · ${formatPercent(fraction)}`
  return { line, remaining: timeLeft(estimate), hint: '', reason: estimate.reason, fraction }
}

function timeLeft({ seconds }: Estimate): string {
  return seconds === null ? '' : `${formatDuration(seconds)} left`
}

/** When the work on a waiting song begins: the time left, without the time for the song itself. */
function startText(status: Status | null, { seconds }: Estimate): string {
  if (status?.starts_in_seconds == null || status.eta_seconds == null || seconds === null) return ''
  const startsIn = seconds - (status.eta_seconds - status.starts_in_seconds)
  return startsIn < 1 ? '' : ` · starts in ${formatDuration(startsIn)}`
}

function interruptedLine({ parts, sent }: Song): string {
  if (parts === undefined || sent === undefined) return 'The upload was interrupted. Choose the file again to continue.'
  const percent = formatPercent(sent.fraction).replace(' ', '\u00a0') // stays on one line
  return `The upload was interrupted at ${percent}. Choose the same file to continue from there.`
}

function queueLine(position: number | null): string {
  if (position === null) return 'Waiting in the queue'
  if (position <= 1) return 'Next in the queue'
  return `Waiting in the queue: ${position === 2 ? '1 song' : `${position - 1} songs`} before yours`
}
