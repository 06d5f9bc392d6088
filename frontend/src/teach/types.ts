/** JSON of `/teaching` (docs/api.md). */

export interface CheckedSong {
  song: string
  usable: boolean
  /** Why the song can't be used. */
  problem: string | null
  notes: string[]
  seconds: number
  /** Whether it only scores the result. */
  held_out: boolean
  /** Seconds in which each stem can be heard. */
  audible_s: Record<string, number>
}

export interface Check {
  songs: CheckedSong[]
  stems: string[]
  minutes: number
  left_out: string[]
  /** Why nothing can be learnt. */
  problem: string | null
  expect: string[]
}

/** A point of the curve: SDR in dB of each stem, and their `mean`. */
export interface Score {
  steps: number
  minutes: number
  sdr_db: Record<string, number>
}

type Scores = Record<string, number | null>

export interface Result {
  better: boolean
  base: string
  sdr_db: { before: Scores; after: Scores; compared_with: string }
  clips: { song: string; start_s: number; stems: string[]; before: string[] }
  /** What AWS bills, in US dollars; null: it was not taught there. */
  billed_usd: number | null
}

/** What teaching in AWS costs. */
export interface Offer {
  /** In US dollars. */
  most_usd: number
  lines: string[]
}

export interface Teaching {
  phase:
    | 'none'
    | 'collecting'
    | 'checking'
    | 'checked'
    | 'offering'
    | 'offered'
    | 'teaching'
    | 'ended'
    | 'failed'
    | 'cancelling'
  /** Another person is teaching a model. */
  busy: boolean
  /** Why this server can't teach on its own machine. */
  unavailable: string | null
  /** The app in AWS that can teach too. */
  aws: { account: string; region: string; deployment: string } | null
  /** Whether this run teaches in AWS. */
  in_aws: boolean
  offer: Offer | null
  name: string
  /** Uploaded files, SONG/STEM. */
  stems: string[]
  check: Check | null
  curve: Score[]
  step: string | null
  /** Text about that step. */
  detail: string | null
  /** 0 to 1. */
  done: number | null
  left_s: number | null
  result: Result | null
  problem: string | null
}

export interface Start {
  name: string
  base: string | null
  /** null: until the score no longer rises. */
  minutes: number | null
  keep_stems: boolean
  aws: boolean
}
