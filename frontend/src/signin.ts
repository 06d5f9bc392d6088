/** Sign-in with OpenID Connect: authorisation code with PKCE. Its library is loaded only if configured. */
import type { User, UserManager } from 'oidc-client-ts'
import type { ServerConfig } from './api/types'
import { EXPIRED, isUnreachable, isWrongClock, REFUSED, signInProblem, UNREACHABLE, WRONG_CLOCK } from './signInProblems'

export interface SignIn {
  /** Shown beside "Sign out"; empty: nothing is. Null before sign-in. */
  name: string | null
  /** The user's id at the provider; null before sign-in. */
  subject: string | null
  token: () => Promise<string | null>
  signIn: () => Promise<void>
  signOut: () => Promise<void>
  /** The server has refused the token. */
  refused: () => void
  /** What is wrong with the sign-in, for the user. */
  problem: SignInState
}

/** The present problem, as `useSyncExternalStore` reads it. */
export class SignInState {
  private listeners = new Set<() => void>()

  constructor(private message: string | null = null) {}

  readonly snapshot = (): string | null => this.message

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  set(message: string | null): void {
    this.message = message
    for (const listener of [...this.listeners]) listener()
  }
}

/** Rejects if the library can't be loaded. */
export async function openSignIn(config: NonNullable<ServerConfig['signIn']>): Promise<SignIn> {
  const { UserManager, WebStorageStateStore } = await import('oidc-client-ts')
  const page = new URL('.', document.baseURI).href
  const manager = new UserManager({
    authority: config.issuer,
    client_id: config.clientId,
    scope: config.scopes,
    redirect_uri: page,
    post_logout_redirect_uri: page,
    automaticSilentRenew: true, // with the refresh token
    userStore: new WebStorageStateStore({ store: window.localStorage }), // shared by all tabs, kept over restarts
  })
  const problem = new SignInState()
  const finished = await finishSignIn(manager, problem)
  const wrongClock = isWrongClock(finished?.profile.iat, Date.now() / 1000)
  const user = finished ?? (await storedUser(manager, problem))
  manager.events.addSilentRenewError((error) => {
    // All other errors may pass before the token expires.
    if ('error' in error) problem.set(signInProblem(error))
  })
  manager.events.addAccessTokenExpired(() => void validUser(manager, problem))
  return {
    name: user === null ? null : (user.profile.email ?? user.profile.name ?? 'you'),
    subject: user?.profile.sub ?? null,
    problem,
    token: async () => (await validUser(manager, problem))?.access_token ?? null,
    refused: () => problem.set(wrongClock ? WRONG_CLOCK : (problem.snapshot() ?? REFUSED)),
    signIn: async () => {
      problem.set(null)
      try {
        await manager.signinRedirect({ state: location.hash })
      } catch (error) {
        problem.set(signInProblem(error))
      }
    },
    signOut: async () => {
      try {
        await manager.signoutRedirect()
      } catch {
        // The provider has no sign-out endpoint: forget the tokens.
        await manager.removeUser()
        location.reload()
      }
    },
  }
}

/** The user who returns from the provider with a code in the address; removes the code from it. */
async function finishSignIn(manager: UserManager, problem: SignInState): Promise<User | null> {
  const query = new URLSearchParams(location.search)
  if (!query.has('state') || !(query.has('code') || query.has('error'))) return null
  try {
    const user = await manager.signinCallback()
    history.replaceState(null, '', location.pathname + (typeof user?.state === 'string' ? user.state : ''))
    return user ?? null
  } catch (error) {
    history.replaceState(null, '', location.pathname)
    problem.set(signInProblem(error))
    return null
  }
}

/** The user of an earlier visit. Without a connection it stays, so that the page opens with the songs it has kept. */
async function storedUser(manager: UserManager, problem: SignInState): Promise<User | null> {
  const user = await manager.getUser()
  if (user?.expired !== true) return user
  const renewed = await validUser(manager, problem)
  if (renewed !== null) return renewed
  if (problem.snapshot() === UNREACHABLE) return user
  await manager.removeUser()
  return null
}

let renewal: Promise<User | null> | null = null

/** The user with a token that has not expired: renewed if it has. Null, with the problem set, if that fails. */
async function validUser(manager: UserManager, problem: SignInState): Promise<User | null> {
  const user = await manager.getUser()
  if (user?.expired !== true) return user
  renewal ??= renew(manager, user, problem).finally(() => (renewal = null))
  return renewal
}

async function renew(manager: UserManager, user: User, problem: SignInState): Promise<User | null> {
  if (user.refresh_token === undefined) {
    problem.set(EXPIRED)
    return null
  }
  try {
    const renewed = await manager.signinSilent()
    problem.set(null)
    return renewed
  } catch (error) {
    problem.set(isUnreachable(error) ? UNREACHABLE : EXPIRED)
    return null
  }
}
