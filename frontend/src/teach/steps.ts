/** What a run is doing, in words. */
import { formatDuration } from '../lib/format'
import type { Teaching } from './types'

const STEPS: Record<string, string> = {
  measure: 'Measuring how fast this computer learns …',
  paused: 'Paused, while songs are being separated.',
  scoring: 'Testing the model on the songs that were kept aside …',
}

const STEPS_IN_AWS: Record<string, string> = {
  measure: 'Measuring how fast the machine learns …',
  scoring: 'Testing the model on the songs that were kept aside …',
  upload: 'Sending your stems to AWS …',
  build: 'AWS prepares the program. This takes about half an hour.',
  phase: 'AWS works on it …',
  billed: 'Fetching the model …',
  deleted: 'Fetching the model …',
  unreachable: 'AWS can’t be reached. What is under way there goes on; this page tries again.',
}

/** One line for the step that a run is at. */
export function stepText({ step, detail, left_s: left, in_aws: inAws }: Teaching): string {
  if (step === null) return 'Reading your songs …'
  if (inAws && step === 'phase' && detail !== null) return detail
  const text = (inAws ? STEPS_IN_AWS : STEPS)[step] ?? 'Learning'
  const working = step === 'progress' || step === 'score' || step === 'start'
  return left !== null && (working || step === 'scoring') ? `${text} · ${formatDuration(left)} left` : text
}

/** Whether the training goes on in AWS without this server. */
export function goesOn({ step, in_aws: inAws }: Teaching): boolean {
  return inAws && step !== null && !['upload', 'build', 'unreachable'].includes(step)
}

/** Where a model can be taught, with what that means; `minutes`: how long, null: unknown. */
export function places(teaching: Teaching, minutes: number | null): { aws: boolean; label: string }[] {
  const length = minutes === null ? 'for as long as it helps' : `about ${String(minutes)} minutes`
  const here = { aws: false, label: `On this computer (${length})` }
  const there = { aws: true, label: 'In AWS (you see the price first)' }
  return [...(teaching.unavailable === null ? [here] : []), ...(teaching.aws === null ? [] : [there])]
}

export const dollars = (usd: number) => `${usd.toFixed(2)} dollars`
