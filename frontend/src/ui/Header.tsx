import type { SignIn } from '../signin'

export function Header({ signIn }: { signIn: SignIn | null }) {
  return (
    <header className="top">
      <a className="brand" href="./">
        <Logo /> Unbraid
      </a>
      {signIn !== null && signIn.name !== null && (
        <p className="account">
          {signIn.name !== '' && <span>{signIn.name}</span>}
          <button type="button" className="link" onClick={() => void signIn.signOut()}>
            Sign out
          </button>
        </p>
      )}
    </header>
  )
}

/** Three strands that come apart. */
function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path className="stem-bass" d="M3 9c5 0 6 14 12 14h14" />
      <path className="stem-other" d="M3 16c3 0 4-7 7-7s4 7 8 7h11" />
      <path className="stem-vocals" d="M3 23c5 0 6-14 12-14h14" />
    </svg>
  )
}
