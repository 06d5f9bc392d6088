/** The headline on an empty page. */
export function Hero({ titleId }: { titleId: string }) {
  return (
    <div className="hero">
      <h1 id={titleId}>Take a song apart.</h1>
      <p>
        Split it into vocals and accompaniment, or into drums, bass, other and vocals. Play, mix and download the stems.
      </p>
    </div>
  )
}
