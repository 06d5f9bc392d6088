/** Sign-in by the password that all users of the server share. The server's own form asks for it. */
import { type SignIn, SignInState } from './signin'

/** Address of the form. A browser that is signed in goes from there to the app. */
export function passwordForm(base: URL): URL {
  return new URL('sign-in', base)
}

export function passwordSignIn(base: URL): SignIn {
  const toForm = () => {
    location.assign(passwordForm(base))
    return Promise.resolve()
  }
  return {
    problem: new SignInState(), // a banner of its own says when the password is needed again
    refused: () => undefined,
    name: '',
    subject: null, // the server tells its users apart by their browsers
    token: () => Promise.resolve(null),
    signIn: toForm,
    signOut: async () => {
      try {
        await fetch(new URL('sign-out', base), { method: 'POST' })
      } finally {
        await toForm()
      }
    },
  }
}
