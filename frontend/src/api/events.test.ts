import { expect, test } from 'vitest'
import { eventsUrl } from './events'

const api = new URL('https://api.example.org/music/')

test('the WebSocket is below the API unless the server names another address', () => {
  expect(eventsUrl(api, null, ['a']).href).toBe('wss://api.example.org/music/events?session_id=a')
  expect(eventsUrl(api, 'wss://socket.example.org/live', ['a', 'b']).href).toBe(
    'wss://socket.example.org/live?session_id=a&session_id=b',
  )
})

test('the WebSocket of an http API is not encrypted', () => {
  expect(eventsUrl(new URL('http://127.0.0.1:8000/'), null, []).href).toBe('ws://127.0.0.1:8000/events')
})
