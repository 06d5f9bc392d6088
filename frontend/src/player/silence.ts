/**
 * Play silence in a media element while the stems play. Browsers show media controls, and send the keys of headsets, only
 * for such an element, and not for Web Audio, which plays the stems. On iPhones it also lets the mute switch off the song.
 */
const SECONDS = 10 // Chromium shows no controls for sounds up to 5 s
const RATE = 8000

let element: HTMLAudioElement | null = null

/** Returns a function that ends it. */
export function silence(): () => void {
  const audio = (element ??= create())
  audio.play().catch(() => undefined) // without it, only the media keys are missing
  return () => audio.pause()
}

function create(): HTMLAudioElement {
  const audio = new Audio(URL.createObjectURL(new Blob([silentWave()], { type: 'audio/wav' })))
  audio.loop = true
  return audio
}

/** A WAV file of zeros: mono, 8 bit. */
function silentWave(): Uint8Array<ArrayBuffer> {
  const length = SECONDS * RATE
  const bytes = new Uint8Array(44 + length).fill(128, 44) // 8-bit samples are unsigned
  const view = new DataView(bytes.buffer)
  const text = (at: number, value: string) => bytes.set(new TextEncoder().encode(value), at)
  text(0, 'RIFF')
  view.setUint32(4, 36 + length, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true)
  view.setUint16(20, 1, true) // PCM
  view.setUint16(22, 1, true)
  view.setUint32(24, RATE, true)
  view.setUint32(28, RATE, true)
  view.setUint16(32, 1, true)
  view.setUint16(34, 8, true)
  text(36, 'data')
  view.setUint32(40, length, true)
  return bytes
}
