/** Whether the server answers. While it doesn't it is asked every two seconds, and all who wait hear when it is back. */

const ASK_EVERY_MS = 2000

export class Reachability {
  /** Something cheap that the server answers; it tells `set` of the outcome by itself. */
  ask: () => Promise<unknown> = () => Promise.resolve()
  private yes = true
  private listeners = new Set<() => void>()

  readonly snapshot = (): boolean => this.yes

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly set = (yes: boolean): void => {
    if (yes === this.yes) return
    this.yes = yes
    for (const listener of [...this.listeners]) listener()
    if (!yes) this.askAgain()
  }

  /** Resolves when it answers: at once, if it does. */
  back(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.yes || signal.aborted) {
        resolve()
        return
      }
      const stop = this.subscribe(() => {
        stop()
        resolve()
      })
      signal.addEventListener('abort', () => {
        stop()
        resolve()
      })
    })
  }

  private askAgain(): void {
    setTimeout(() => {
      if (this.yes) return
      this.ask()
        .catch(() => undefined)
        .finally(() => this.askAgain())
    }, ASK_EVERY_MS)
  }
}
