/** What remains of the page when a part of it can't be loaded or fails: a sentence, and a way to load it again. */
import { Component, type ReactNode, useEffect, useState } from 'react'

const NOT_LOADED = 'A part of this page could not be loaded. There may be a new version, or the connection was lost.'
const FAILED = 'Something went wrong in this page.'

export function Failure({ error }: { error: unknown }) {
  return (
    <main>
      <section className="failure" role="alert">
        <h1>Unbraid</h1>
        <p>{isLoadError(error) ? NOT_LOADED : FAILED} Your songs are kept.</p>
        <ReloadButton />
      </section>
    </main>
  )
}

/** Shows `Failure` instead of children that can't be rendered. */
export class FailureBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state = { error: null as unknown }

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error: error ?? FAILED }
  }

  override render(): ReactNode {
    return this.state.error === null ? this.props.children : <Failure error={this.state.error} />
  }
}

/** A line above the songs when a part that is loaded on demand is missing: all other parts still work. */
export function MissingPart() {
  const [missing, setMissing] = useState(false)
  useEffect(() => {
    const show = () => setMissing(true)
    window.addEventListener('vite:preloadError', show)
    return () => window.removeEventListener('vite:preloadError', show)
  }, [])
  return missing ? (
    <div className="banner" role="alert">
      <p>{NOT_LOADED}</p>
      <ReloadButton />
    </div>
  ) : null
}

function ReloadButton() {
  return (
    <button type="button" className="primary" onClick={() => location.reload()}>
      Reload
    </button>
  )
}

/** Browsers have no error type for scripts that can't be loaded; Vite names the style sheets. */
function isLoadError(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && /preload|import|module/i.test(error.message))
}
