import { expect, test } from 'vitest'
import { inWords, problemFrom, Unreachable } from './problem'

test("the server's own words come first", () => {
  const body = JSON.stringify({ title: 'Too large', detail: 'Files may have 2 GB here.' })
  expect(problemFrom(413, body).message).toBe('Files may have 2 GB here.')
  expect(problemFrom(413, JSON.stringify({ title: 'Too large' })).message).toBe('Too large')
})

test('where a proxy answers with a page of its own, the status is put into words', () => {
  expect(problemFrom(413, '<html>nginx</html>').message).toContain('larger')
  expect(problemFrom(502, '').message).toContain('try again')
})

test('only faults that may pass are worth another try', () => {
  expect([400, 413, 415, 500, 503, 507].map((status) => problemFrom(status, '').passing)).toEqual([
    false, false, false, true, true, false,
  ]) // prettier-ignore
})

test('no error is shown in the words of a programmer', () => {
  expect(inWords(new TypeError('x is not a function'))).not.toContain('function')
  expect(inWords(new Unreachable())).toContain('can’t be reached')
})
