import { expect, test } from 'vitest'
import { EXPIRED, isWrongClock, signInProblem, UNREACHABLE } from './signInProblems'

const refusal = (error: string) => Object.assign(new Error('text from the address'), { error })

test('each cause has a sentence of its own', () => {
  expect(signInProblem(refusal('access_denied'))).toContain('did not finish')
  expect(signInProblem(refusal('invalid_grant'))).toBe(EXPIRED)
  expect(signInProblem(refusal('server_error'))).toContain('in a few minutes')
  expect(signInProblem(new TypeError('Failed to fetch'))).toBe(UNREACHABLE)
  expect(signInProblem(Object.assign(new Error('late'), { name: 'ErrorTimeout' }))).toBe(UNREACHABLE)
  expect(signInProblem(new Error('No matching state found in storage'))).toContain('took too long')
  expect(signInProblem('nonsense')).toContain('failed')
})

test('no text from the address is shown but a plain code', () => {
  expect(signInProblem(refusal('invalid_scope'))).toContain('invalid_scope')
  expect(signInProblem(refusal('Call +1 555 for help'))).not.toContain('555')
  expect(signInProblem(refusal('invalid_scope'))).not.toContain('text from the address')
})

test('a clock is wrong from five minutes on', () => {
  expect(isWrongClock(1000, 1299)).toBe(false)
  expect(isWrongClock(1000, 1301)).toBe(true)
  expect(isWrongClock(5000, 1000)).toBe(true)
  expect(isWrongClock(undefined, 1000)).toBe(false)
})
