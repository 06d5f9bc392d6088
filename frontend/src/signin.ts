/** Sign-in with OpenID Connect: authorisation code with PKCE. Its library is loaded only if configured. */
import type { User, UserManager } from 'oidc-client-ts'
import type { ServerConfig } from './api/types'

export interface SignIn {
  /** Shown beside "Sign out"; empty: nothing is. Null before sign-in. */
  name: string | null
  /** The user's id at the provider; null before sign-in. */
  subject: string | null
  token: () => Promise<string | null>
  signIn: () => Promise<void>
  signOut: () => Promise<void>
}

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
  const user = (await finishSignIn(manager)) ?? (await storedUser(manager))
  return {
    name: user === null ? null : (user.profile.email ?? user.profile.name ?? 'you'),
    subject: user?.profile.sub ?? null,
    token: async () => (await manager.getUser())?.access_token ?? null,
    signIn: () => manager.signinRedirect({ state: location.hash }),
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
async function finishSignIn(manager: UserManager): Promise<User | null> {
  const query = new URLSearchParams(location.search)
  if (!query.has('state') || !(query.has('code') || query.has('error'))) return null
  try {
    const user = await manager.signinCallback()
    history.replaceState(null, '', location.pathname + (typeof user?.state === 'string' ? user.state : ''))
    return user ?? null
  } catch {
    history.replaceState(null, '', location.pathname)
    return null
  }
}

/** The user of an earlier visit, with a renewed token if it has expired. */
async function storedUser(manager: UserManager): Promise<User | null> {
  const user = await manager.getUser()
  if (user === null || user.expired !== true) return user
  try {
    return user.refresh_token === undefined ? null : await manager.signinSilent()
  } catch {
    await manager.removeUser()
    return null
  }
}
