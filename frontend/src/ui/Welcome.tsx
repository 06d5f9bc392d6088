/** The page before sign-in, and while the server can't be reached. */
import type { SignIn } from '../signin'
import { Braid, FOUR_STEMS } from './Braid'
import { Header } from './Header'
import { Hero } from './Hero'

export function Welcome({ signIn, message }: { signIn?: SignIn; message?: string }) {
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
            </div>
          </div>
        </section>
      </main>
    </>
  )
}
