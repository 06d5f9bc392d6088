/** JSON of the API, as far as the page uses it. Field names are the API's (docs/api.md). */

/** States of a session; UNKNOWN: expired, deleted, or not visible to this user. */
export type State = 'AWAITING_UPLOAD' | 'PENDING' | 'IN_PROGRESS' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'UNKNOWN'

export interface OutputFile {
  /** The stem's name, `video`, or `stem` for a stem file. */
  type: string
  filename: string
  s3_url: string
  size: number
  duration: number
  peaks_url?: string | null
  play_url?: string | null
  /** The stem that this file is a part of; null: it was separated from the song. */
  from?: string | null
}

/** A stem that is separated further. */
export interface Split {
  from: string
  /** Session that makes the parts. */
  session_id: string
  status: State
  /** 0 to 1. */
  progress: number
  eta_seconds: number | null
  model: string
  error_message: string | null
  /** Part of the song in seconds, if `from` is `mix`; null: its start or its end. */
  start?: number | null
  end?: number | null
}

/** A part of a song in seconds. */
export interface Part {
  start: number
  end: number
}

export interface Status {
  session_id: string
  status: State
  /** 0 to 1. */
  progress?: number
  eta_seconds?: number | null
  output_files?: OutputFile[]
  error_message?: string | null
  /** `downloading`, `analysing`, `separating` or `writing`. */
  stage?: string | null
  /** 1: the next. */
  queue_position?: number | null
  /** Seconds until the work begins; null: it has begun. */
  starts_in_seconds?: number | null
  /** Whether starting a failed or cancelled song again can help. Older servers don't send it. */
  can_retry?: boolean | null
  file_name?: string
  model?: string | null
  stems?: string
  format?: string
  /** Length of the song, or of its separated part, in seconds. */
  duration?: number | null
  /** Tempo of the song in beats per minute; null: no clear beat. */
  bpm?: number | null
  /** Key of the song, such as "A minor". */
  key?: string | null
  /** The separated part in seconds, negative from the end; null: start or end of the song. */
  start?: number | null
  end?: number | null
  /** Seconds since 1970. */
  created_at?: number
  /** Seconds since 1970. */
  expires_at?: number
  warnings?: string[]
  zip_url?: string | null
  /** Whether the song is exempt from expiry. */
  kept?: boolean
  /** Id of its share link. */
  share_id?: string | null
  /** The uploaded video, for its picture. */
  video_url?: string | null
  /** Seconds of the stems that can be played already; null: nothing, or the song isn't being separated. */
  playable_until?: number | null
  splits?: Split[]
}

/** A song of another person. */
export interface SharedStatus extends Status {
  /** Formats of a mix that the server makes; empty: it makes none. Older servers don't send it. */
  mix_formats?: string[]
}

/** One or two chunks of all stems of a song that is being separated. */
export interface EarlyPiece {
  number: number
  first_chunk: number
  chunks: number
  url: string
}

/** What can be played of a song that is being separated. */
export interface EarlyPieces {
  /** Name of the attempt that makes the pieces; null: nothing can be played. */
  attempt: string | null
  stems: string[]
  sample_rate: number | null
  chunk_samples: number | null
  /** Length of the stems. */
  samples: number | null
  pieces: EarlyPiece[]
}

export interface Upload {
  sessionId: string
  uploadUrl: string
  s3Key: string
  /** Size of the parts of a large file; null: it is sent in one piece. */
  partBytes?: number | null
}

/** An upload in parts. */
export interface UploadParts {
  /** Size of each part but the last. */
  partBytes: number
  /** Numbers of the parts that have arrived, from 1. */
  uploaded: number[]
  /** The next missing parts; empty: all have arrived. */
  parts: { number: number; url: string }[]
}

/** Options for separating a song. */
export interface Choices {
  /** `auto`, `fast`, `best`, the word of a purpose, or a model's name. */
  model: string
  /** `vocals`, `all`, another stem's name, `no_STEM` for a backing track alone, or a list (docs/cli.md, Which stems). */
  stems: string
  format: string
  /** For a video: also make the video without the stem. */
  video: boolean
  /** E-mail address to notify at the end; empty: none. */
  notify: string
  /** Part of the song to separate, such as 1:05; empty or missing: its start or its end. */
  start?: string
  end?: string
}

export interface Model {
  name: string
  summary: string
  stems: string[]
  licence: string
  installed: boolean
  sizeBytes: number
  /** Seconds to separate one second of music on the server, for one stem and for all. */
  secondsPerSecond: { one: number; all: number }
  /** Words of the purposes that it is for, such as `karaoke`. Older servers don't send it. */
  answers?: string[]
}

/** The model that a choice stands for at this moment. */
export interface UsedModel {
  model: string
  installed: boolean
  sizeBytes: number
  secondsPerSecond: number
  /** Better models that could not be downloaded, each with the cause. */
  passedOver: Record<string, string>
}

export interface Models {
  models: Model[]
  default: string
  /** `auto`, `fast`, `best` and purposes (with a title), with the model for each stem and for `all`. */
  choices: { name: string; title: string | null; stems: Record<string, UsedModel> }[]
  /** Whether the server downloads missing models. */
  downloads: boolean
}

export interface ServerConfig {
  signIn: { issuer: string; clientId: string; scopes: string } | null
  /** Whether all users share one password, which the server's own form asks for. Older servers don't send it. */
  password?: boolean
  maxBytes: number
  formats: string[]
  mail: boolean
  /** Whether the server makes mixes and ZIP archives. */
  mixes: boolean
  /** Whether users can teach models here. Older servers don't send it. */
  teaching?: boolean
  /** Address of the WebSocket; null: `events` below the API. */
  events: string | null
  /** Whether the machine that separates is stopped when idle, so that the first song waits minutes for it to start. */
  wakes: boolean
  version: string
}

/** What the server offers for mixes. */
export type MixConfig = Pick<ServerConfig, 'mixes' | 'formats'>
