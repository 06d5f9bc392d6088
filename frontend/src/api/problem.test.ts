import { expect, test } from 'vitest'
import { errorMessage, problemFrom, Unreachable } from './problem'

test("the server's own message comes first", () => {
  const body = JSON.stringify({ title: 'Too large', detail: 'Files may have 2 GB here.' })
  expect(problemFrom(413, body).message).toBe('Files may have 2 GB here.')
  expect(problemFrom(413, JSON.stringify({ title: 'Too large' })).message).toBe('Too large')
})

test('a status without a message from the server gets one of ours', () => {
  expect(problemFrom(413, '<html>nginx</html>').message).toContain('too large')
  expect(problemFrom(502, '').message).toContain('try again')
})

test('only server errors are worth a retry, but not a full disk', () => {
  expect([400, 413, 415, 500, 503, 507].map((status) => problemFrom(status, '').transient)).toEqual([
    false, false, false, true, true, false,
  ]) // prettier-ignore
})

test('exceptions of the page itself get a message without code', () => {
  expect(errorMessage(new TypeError('x is not a function'))).not.toContain('function')
  expect(errorMessage(new Unreachable())).toContain('can’t be reached')
})
