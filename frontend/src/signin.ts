/** Sign-in by OpenID Connect: authorisation code with PKCE. The library is fetched only where sign-in is configured. */
import type { User, UserManager } from 'oidc-client-ts'
import type { ServerConfig } from './api/types'

export interface SignIn {
  /** Shown beside "Sign out"; null: nobody is signed in. */
  name: string | null
  /** Whose songs these are. */
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
    scope: typeof config.scopes === 'string' ? config.scopes : config.scopes.join(' '),
    redirect_uri: page,
    post_logout_redirect_uri: page,
    automaticSilentRenew: true, // by the refresh token
    userStore: new WebStorageStateStore({ store: window.localStorage }), // all tabs and a restart know who it is
  })
  const user = (await answered(manager)) ?? (await stillGood(manager))
  return {
    name: user === null ? null : (user.profile.email ?? user.profile.name ?? 'you'),
    subject: user?.profile.sub ?? null,
    token: async () => (await manager.getUser())?.access_token ?? null,
    signIn: () => manager.signinRedirect({ state: location.hash }),
    signOut: async () => {
      try {
        await manager.signoutRedirect()
      } catch {
        // a provider without an address for that: forgetting the tokens is all there is to do
        await manager.removeUser()
        location.reload()
      }
    },
  }
}

/** Whoever comes back from the provider with a code in the address, which is then taken out of it. */
async function answered(manager: UserManager): Promise<User | null> {
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

async function stillGood(manager: UserManager): Promise<User | null> {
  const user = await manager.getUser()
  if (user === null || user.expired !== true) return user
  try {
    return user.refresh_token === undefined ? null : await manager.signinSilent()
  } catch {
    await manager.removeUser()
    return null
  }
}
