/** Three strands that come apart. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path className="stem-bass" d="M3 9c5 0 6 14 12 14h14" />
      <path className="stem-other" d="M3 16c3 0 4-7 7-7s4 7 8 7h11" />
      <path className="stem-vocals" d="M3 23c5 0 6-14 12-14h14" />
    </svg>
  )
}
