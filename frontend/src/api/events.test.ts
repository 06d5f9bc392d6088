import { expect, test } from 'vitest'
import { eventsAddress } from './events'

const api = new URL('https://api.example.org/music/')

test('changes are told below the API, unless the server names another address', () => {
  expect(eventsAddress(api, null, ['a']).href).toBe('wss://api.example.org/music/events?session_id=a')
  expect(eventsAddress(api, 'wss://socket.example.org/live', ['a', 'b']).href).toBe(
    'wss://socket.example.org/live?session_id=a&session_id=b',
  )
})

test('a page of this machine asks without encryption, as it came', () => {
  expect(eventsAddress(new URL('http://127.0.0.1:8000/'), null, []).href).toBe('ws://127.0.0.1:8000/events')
})
