/** WAV files of 16 bit. */

const HEADER_BYTES = 44
const BYTES = 2 // per sample
const BLOCK = 1 << 16 // samples at a time, so that no second copy of the song is in memory

/** Samples from `start` on, `length` of them, times `gain`. Louder ones than full scale are clipped. */
export function wavFile(channels: readonly Float32Array[], sampleRate: number, start: number, length: number, gain: number): Blob {
  const parts: BlobPart[] = [header(channels.length, sampleRate, length)]
  for (let from = start; from < start + length; from += BLOCK) {
    const count = Math.min(BLOCK, start + length - from)
    const block = new Int16Array(count * channels.length)
    channels.forEach((samples, channel) => {
      for (let index = 0; index < count; index += 1) {
        const value = Math.round((samples[from + index] ?? 0) * gain * 0x8000)
        block[index * channels.length + channel] = Math.max(-0x8000, Math.min(0x7fff, value))
      }
    })
    parts.push(block)
  }
  return new Blob(parts, { type: 'audio/wav' })
}

function header(channels: number, sampleRate: number, length: number): ArrayBuffer {
  const bytes = new ArrayBuffer(HEADER_BYTES)
  const view = new DataView(bytes)
  const data = length * channels * BYTES
  const text = (at: number, word: string) => new Uint8Array(bytes, at).set(new TextEncoder().encode(word))
  text(0, 'RIFF')
  view.setUint32(4, HEADER_BYTES - 8 + data, true)
  text(8, 'WAVEfmt ')
  view.setUint32(16, 16, true) // size of the format
  view.setUint16(20, 1, true) // integers
  view.setUint16(22, channels, true)
  view.setUint32(24, sampleRate, true)
  view.setUint32(28, sampleRate * channels * BYTES, true)
  view.setUint16(32, channels * BYTES, true)
  view.setUint16(34, BYTES * 8, true)
  text(36, 'data')
  view.setUint32(40, data, true)
  return bytes
}
