import { expect, it } from 'vitest'
import { outputLatency } from './latency'

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

it('is what the browser says', () => {
  expect(outputLatency({ outputLatency: 0.04 }, CHROME)).toBe(0.04)
  expect(outputLatency({ outputLatency: NaN }, CHROME)).toBe(0)
  expect(outputLatency({} as AudioContext, CHROME)).toBe(0)
})

it('is never asked of Firefox, which could hang', () => {
  const context = {
    get outputLatency(): number {
      throw new Error('asked')
    },
  }
  expect(outputLatency(context, FIREFOX)).toBe(0)
  expect(() => outputLatency(context, CHROME)).toThrow('asked')
})
