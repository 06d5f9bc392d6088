/** Sentences for failures of the sign-in: what happened, and what to do. */

export const EXPIRED = 'Your sign-in has expired. Sign in again to go on. Songs that are being separated continue.'
export const REFUSED = 'The server did not accept your sign-in. Sign in again.'
export const WRONG_CLOCK = 'The server did not accept your sign-in. Set the clock of this device to the right time and sign in again.'
export const UNREACHABLE = 'The sign-in provider can’t be reached. Check your connection and try again.'
const CANCELLED = 'You did not finish signing in. Press “Sign in” to try again.'
const TOO_OLD = 'This sign-in took too long or was begun in another window. Press “Sign in” to try again.'
const BUSY = 'The sign-in provider has a problem. Try again in a few minutes.'
const FAILED = 'Signing in failed. Press “Sign in” to try again.'

/** Error codes of OAuth 2.0 (RFC 6749, 4.1.2.1 and 5.2) and OpenID Connect (Core 1.0, 3.1.2.6). */
const MESSAGES: Record<string, string> = {
  access_denied: CANCELLED,
  consent_required: CANCELLED,
  login_required: EXPIRED,
  interaction_required: EXPIRED,
  invalid_grant: EXPIRED,
  server_error: BUSY,
  temporarily_unavailable: BUSY,
}

/** The sentence for an error of `oidc-client-ts` or of a request to the provider. */
export function signInProblem(error: unknown): string {
  if (!(error instanceof Error)) return FAILED
  if (isUnreachable(error)) return UNREACHABLE
  if ('error' in error && typeof error.error === 'string') return MESSAGES[error.error] ?? refusal(error.error)
  return /state/i.test(error.message) ? TOO_OLD : FAILED
}

/** Whether the provider did not answer, so that the same request may succeed later. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === 'ErrorTimeout')
}

/** The code comes from the address, so only a plain word is shown. */
function refusal(code: string): string {
  return /^\w{1,40}$/.test(code)
    ? `The sign-in provider refused: ${code}. Tell the person who runs this server.`
    : FAILED
}

const TOLERANCE_S = 300 // as most servers allow for their own clocks

/** Whether this device's clock differs from the provider's. `issuedAt`: time of a token that was just issued. */
export function isWrongClock(issuedAt: number | undefined, now: number): boolean {
  return issuedAt !== undefined && Math.abs(now - issuedAt) > TOLERANCE_S
}
