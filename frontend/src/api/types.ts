/** What the server says, with the names it uses. */

export type State = 'AWAITING_UPLOAD' | 'PENDING' | 'IN_PROGRESS' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'UNKNOWN'

export interface OutputFile {
  /** The stem's name, or `video`. */
  type: string
  filename: string
  s3_url: string
  size: number
  duration: number
  peaks_url?: string | null
  play_url?: string | null
}

export interface Status {
  session_id: string
  status: State
  /** 0 to 1. */
  progress?: number
  eta_seconds?: number | null
  output_files?: OutputFile[]
  error_message?: string | null
  /** downloading, analysing, separating or writing */
  stage?: string | null
  /** 1: the next. */
  queue_position?: number | null
  file_name?: string
  model?: string | null
  stems?: string
  format?: string
  /** Of the song, in seconds. */
  duration?: number | null
  /** Seconds since 1970, as are all times. */
  created_at?: number
  expires_at?: number
  warnings?: string[]
  zip_url?: string | null
}

export interface Upload {
  sessionId: string
  uploadUrl: string
  s3Key: string
  maxBytes?: number
}

/** What the user wants of a song. */
export interface Choices {
  model: string
  /** `vocals`, `all`, or another stem's name. */
  stems: string
  format: string
  /** Also the film without the stem, where the song came as one. */
  video: boolean
  /** E-mail address that hears of the end; empty: none. */
  notify: string
}

export interface Model {
  name: string
  summary: string
  stems: string[]
  licence: string
  sdr: Record<string, number>
  installed: boolean
  sizeBytes: number
  /** Seconds of work for each second of music, on the machine that does it. */
  secondsPerSecond: { one: number; all: number }
}

export interface Models {
  models: Model[]
  default: string
}

export interface ServerConfig {
  signIn: { issuer: string; clientId: string; scopes: string | string[] } | null
  maxBytes: number
  maxSongSeconds: number
  formats: string[]
  mail: boolean
  /** Whether the server makes mixes, and one archive of all files. */
  mixes: boolean
  /** Address of the WebSocket; null: `events` below the API. */
  events: string | null
  /** Whether the machine that separates sleeps while nobody needs it, and takes minutes to wake up. */
  wakes: boolean
  version: string
}
