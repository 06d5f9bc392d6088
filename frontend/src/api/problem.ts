/** What can go wrong between the page and the server, in words for people. */

/** The server refused, and said why (RFC 9457). */
export class Problem extends Error {
  readonly status: number
  constructor(status: number, words: string) {
    super(words)
    this.status = status
  }
  /** Whether asking once more may help. */
  get passing(): boolean {
    return this.status >= 500 && this.status !== 507
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('The server can’t be reached. Check the connection; the work goes on as soon as it is back.')
  }
}

const WORDS: Record<number, string> = {
  401: 'Please sign in first.',
  403: 'This song belongs to somebody else, or its link has run out.',
  404: 'This song is not there any more: it has expired, or was deleted.',
  409: 'This can’t be done with the song as it is now.',
  413: 'The file is larger than this server takes.',
  415: 'This file is neither sound nor film. Choose a song, such as an MP3, WAV or FLAC file, or a video.',
  429: 'That was too much at once. Wait a few seconds and try again.',
  507: 'The server’s disk is full. Delete songs that you don’t need any more, and try again.',
}

interface ProblemDetails {
  title?: unknown
  detail?: unknown
  errors?: unknown
}

/** The words of a refusal: the server's own where it has some, else ours for the status. */
export function problemFrom(status: number, body: string): Problem {
  let details: ProblemDetails = {}
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null) details = parsed
  } catch {
    // an HTML page of a proxy, or nothing
  }
  const own = typeof details.detail === 'string' ? details.detail : details.title
  const words = typeof own === 'string' && own !== '' ? own : WORDS[status]
  return new Problem(status, words ?? 'Something went wrong on the server. Please try again in a moment.')
}

export function inWords(error: unknown): string {
  return error instanceof Problem || error instanceof Unreachable
    ? error.message
    : 'Something went wrong in this page. Reload it and try again; your songs are kept.'
}
