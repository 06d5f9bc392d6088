/** Errors between the page and the server, with messages for the user. */

/** The server refused the request (RFC 9457). */
export class Problem extends Error {
  readonly status: number
  /** Whether the same request may succeed later, as the server says; older servers don't. */
  readonly canRetry: boolean
  constructor(status: number, message: string, canRetry = true) {
    super(message)
    this.status = status
    this.canRetry = canRetry
  }
  /** Whether a retry may succeed. */
  get transient(): boolean {
    return this.status >= 500 && this.status !== 507
  }
}

/** The server did not answer. */
export class Unreachable extends Error {
  constructor(message = 'The server can’t be reached. Check your connection. This page reconnects automatically.') {
    super(message)
  }
}

/** The server answers again when the user has signed in, as with a lost connection. */
export class SignedOut extends Unreachable {
  constructor() {
    super('You are signed out. Sign in first.')
  }
}

const MESSAGES: Record<number, string> = {
  401: 'Sign in first.',
  403: 'You have no access to this song, or its link has expired.',
  404: 'This song no longer exists: it has expired or was deleted.',
  409: 'This is not possible now: the song is not uploaded yet, or is already being separated.',
  413: 'The file is too large for this server.',
  415: 'This is not an audio or video file. Choose a song, such as an MP3, WAV or FLAC file, or a video.',
  429: 'Too many requests. Wait a few seconds and try again.',
  507: 'The server has too little free space. Delete songs that you no longer need and try again.',
}

interface ProblemDetails {
  title?: unknown
  detail?: unknown
  can_retry?: unknown
}

/** The error for a refusal, with the server's own message if it sent one. */
export function problemFrom(status: number, body: string): Problem {
  let details: ProblemDetails = {}
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null) details = parsed
  } catch {
    // A proxy's HTML page, or an empty body.
  }
  const sent = typeof details.detail === 'string' ? details.detail : details.title
  const message = typeof sent === 'string' && sent !== '' ? sent : MESSAGES[status]
  const canRetry = details.can_retry !== false
  return new Problem(status, message ?? 'Something went wrong on the server. Please try again in a moment.', canRetry)
}

/** The message to show for any error. */
export function errorMessage(error: unknown): string {
  return error instanceof Problem || error instanceof Unreachable
    ? error.message
    : 'Something went wrong in this page. Reload it and try again. Your songs are kept.'
}
