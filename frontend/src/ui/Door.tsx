/** The page before there is anything to do: nobody is signed in, or the server doesn't answer. */
import type { SignIn } from '../signin'
import { Header } from './App'
import { Braid } from './Braid'

export function Door({ signIn, words }: { signIn?: SignIn; words?: string }) {
  return (
    <>
      <Header signIn={null} />
      <main>
        <section className="drop">
          <div className="hero">
            <h1>Take a song apart.</h1>
            <p>Voice and accompaniment, or drums, bass and all the rest: to play, to mix, and to keep as files.</p>
          </div>
          <div className="target">
            <Braid stems={['vocals', 'drums', 'bass', 'other']} apart={0.5} />
            <div className="invite">
              {signIn !== undefined && (
                <button type="button" className="primary" onClick={() => void signIn.signIn()}>
                  Sign in
                </button>
              )}
              {words !== undefined && <p role="alert">{words}</p>}
            </div>
          </div>
        </section>
      </main>
    </>
  )
}
