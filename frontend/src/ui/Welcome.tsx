/** The page before sign-in, and while the server can't be reached. */
import { useSyncExternalStore } from 'react'
import type { SignIn } from '../signin'
import { Braid, FOUR_STEMS } from './Braid'
import { Header } from './Header'
import { Hero } from './Hero'

const NO_PROBLEM = { subscribe: () => () => undefined, snapshot: () => null }

export function Welcome({ signIn, message }: { signIn?: SignIn; message?: string }) {
  const { subscribe, snapshot } = signIn?.problem ?? NO_PROBLEM
  const problem = useSyncExternalStore(subscribe, snapshot)
  return (
    <>
      <Header signIn={null} />
      <main>
        <section aria-labelledby="welcome-title">
          <Hero titleId="welcome-title" />
          <div className="target">
            <Braid stems={FOUR_STEMS} apart={0.5} />
            <div className="invite">
              {signIn !== undefined && (
                <button type="button" className="primary" onClick={() => void signIn.signIn()}>
                  Sign in
                </button>
              )}
              {message !== undefined && <p role="alert">{message}</p>}
              {problem !== null && (
                <p className="problem" role="alert">
                  {problem}
                </p>
              )}
            </div>
          </div>
        </section>
      </main>
    </>
  )
}
