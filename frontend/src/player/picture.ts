/** Keeps the picture of a video in step with the stems, which the audio engine plays. */

/** What the engine plays at a moment. */
export interface Heard {
  /** Position in the video. */
  seconds: number
  playing: boolean
  /** Speed; 1: as recorded. */
  tempo: number
}

export interface Correction {
  /** Where to move the picture; null: it stays. */
  seek: number | null
  /** Speed of the picture. */
  rate: number
}

/** Lip sync is noticed from about 45 ms on (ITU-R BT.1359). A picture that is further off runs a little faster or slower. */
const NOTICED_S = 0.04
/** Beyond this, it jumps: after a seek, or when a loop begins again. */
const JUMP_S = 0.3
const STRONGEST = 0.15
/** Of a paused picture: about half a frame. */
const FRAME_S = 0.02

/** How to bring a picture at `seconds` in step with the sound. */
export function correction(seconds: number, heard: Heard): Correction {
  const behind = heard.seconds - seconds
  const off = Math.abs(behind)
  if (!heard.playing) return { seek: off > FRAME_S ? heard.seconds : null, rate: heard.tempo }
  if (off > JUMP_S) return { seek: heard.seconds, rate: heard.tempo }
  if (off < NOTICED_S) return { seek: null, rate: heard.tempo }
  const change = Math.max(-STRONGEST, Math.min(STRONGEST, behind))
  return { seek: null, rate: heard.tempo * (1 + change) }
}

/** Where in the video a separated part begins. A negative start counts from the end. */
export function startInVideo(start: number | null | undefined, videoSeconds: number): number {
  if (start == null) return 0
  return start >= 0 ? start : Math.max(0, videoSeconds + start)
}
