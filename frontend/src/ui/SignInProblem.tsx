import { useSyncExternalStore } from 'react'
import type { SignIn } from '../signin'

/** What is wrong with the sign-in of a user who has the page open, and the way to sign in again. */
export function SignInProblem({ signIn }: { signIn: SignIn }) {
  const problem = useSyncExternalStore(signIn.problem.subscribe, signIn.problem.snapshot)
  return problem === null ? null : (
    <div className="banner" role="alert">
      <p>{problem}</p>
      <button type="button" className="primary" onClick={() => void signIn.signIn()}>
        Sign in
      </button>
    </div>
  )
}
