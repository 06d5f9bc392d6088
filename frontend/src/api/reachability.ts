/** Whether the server answers, and not only with a request to sign in. While it doesn't, a probe is sent every two seconds. */

const PROBE_MS = 2000

export class Reachability {
  /** A cheap request; the outcome of every request reaches `set`. */
  probe: () => Promise<unknown> = () => Promise.resolve()
  private reachable = true
  private signedOut = false
  private listeners = new Set<() => void>()

  readonly snapshot = (): boolean => this.reachable

  /** Whether the server asks for the password. */
  readonly isSignedOut = (): boolean => this.signedOut

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly set = (reachable: boolean, signedOut = false): void => {
    if (reachable === this.reachable && signedOut === this.signedOut) return
    const lost = this.reachable && !reachable
    this.reachable = reachable
    this.signedOut = signedOut
    for (const listener of [...this.listeners]) listener()
    if (lost) this.probeLater()
  }

  /** Resolves as soon as the server is reachable, or when `signal` aborts. */
  untilReachable(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.reachable || signal.aborted) {
        resolve()
        return
      }
      const finish = () => {
        if (!this.reachable && !signal.aborted) return // signed out instead of unreachable, or the reverse
        unsubscribe()
        signal.removeEventListener('abort', finish)
        resolve()
      }
      const unsubscribe = this.subscribe(finish)
      signal.addEventListener('abort', finish)
    })
  }

  private probeLater(): void {
    setTimeout(() => {
      if (this.reachable) return
      this.probe()
        .catch(() => undefined)
        .finally(() => this.probeLater())
    }, PROBE_MS)
  }
}
