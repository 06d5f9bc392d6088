import { expect, test } from 'vitest'
import { wavFile } from './wavFile'

test('a file has its header and the chosen samples, clipped at full scale', async () => {
  const left = Float32Array.from([9, 0, 0.25, 0.75])
  const right = Float32Array.from([9, 0, -0.5, -1])
  const bytes = await wavFile([left, right], 48000, 1, 3, 2).arrayBuffer()
  const view = new DataView(bytes)
  expect(bytes.byteLength).toBe(44 + 3 * 4)
  expect(new TextDecoder().decode(bytes.slice(0, 4))).toBe('RIFF')
  expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([36 + 12, 12])
  expect([view.getUint16(22, true), view.getUint32(24, true), view.getUint16(34, true)]).toEqual([2, 48000, 16])
  expect([...new Int16Array(bytes.slice(44))]).toEqual([0, 0, 16384, -32768, 32767, -32768])
})
