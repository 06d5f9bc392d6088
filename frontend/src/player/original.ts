/** The song as it was dropped. The browser plays the file itself, through a fader for crossing over to the stems. */
import { resume } from './context'

const FADE_S = 0.012 // prevents clicks

export class OriginalSound {
  private readonly element = new Audio()
  private readonly url: string
  private context: AudioContext | null = null
  private fader: GainNode | null = null
  private silencing: ReturnType<typeof setTimeout> | undefined
  /** Whether the browser can't play the file, such as an AIFF. */
  failed = false

  constructor(
    file: File,
    private readonly onChange: () => void,
  ) {
    this.url = URL.createObjectURL(file)
    for (const event of ['play', 'pause', 'ended', 'durationchange']) this.element.addEventListener(event, onChange)
    this.element.addEventListener('error', () => {
      this.failed = true
      onChange()
    })
    this.element.src = this.url
  }

  get playing(): boolean {
    return !this.element.paused && !this.element.ended && this.silencing === undefined
  }

  /** Place of the playhead in seconds. */
  get seconds(): number {
    return this.element.currentTime
  }

  set seconds(seconds: number) {
    if (this.silencing !== undefined) this.element.pause() // it must not go on while it fades out
    this.element.currentTime = seconds
  }

  /** Length in seconds; null: not known (yet). */
  get duration(): number | null {
    return Number.isFinite(this.element.duration) ? this.element.duration : null
  }

  /** Rejects if the browser forbids sound before the user has done something. */
  async play(): Promise<void> {
    await this.openFader()
    this.stopSilencing()
    await this.element.play()
  }

  pause(): void {
    if (this.playing) this.fadeOut(0, FADE_S)
  }

  /** Become silent `delay` seconds from now, within `seconds`, and pause then. */
  fadeOut(delay: number, seconds: number): void {
    const { context, fader } = this
    if (context === null || fader === null || context.state !== 'running') {
      this.element.pause()
      return
    }
    const at = context.currentTime + delay
    fader.gain.cancelScheduledValues(0)
    fader.gain.setValueAtTime(1, at)
    fader.gain.linearRampToValueAtTime(0, at + seconds)
    clearTimeout(this.silencing)
    this.silencing = setTimeout(() => {
      this.element.pause()
      this.silencing = undefined
      void context.suspend() // a running context keeps phones awake
      this.onChange()
    }, (delay + seconds) * 1000 + 100)
    this.onChange()
  }

  close(): void {
    clearTimeout(this.silencing)
    this.element.pause()
    this.element.removeAttribute('src')
    URL.revokeObjectURL(this.url)
    void this.context?.close()
  }

  private stopSilencing(): void {
    clearTimeout(this.silencing)
    this.silencing = undefined
    this.fader?.gain.cancelScheduledValues(0)
    if (this.fader !== null) this.fader.gain.value = 1
  }

  /** Lead the sound through a fader. While the browser allows no context, the file sounds without one. */
  private async openFader(): Promise<void> {
    this.context ??= new AudioContext({ latencyHint: 'playback' })
    const { context } = this
    await resume(context)
    if (this.fader !== null || context.state !== 'running') return
    this.fader = new GainNode(context, { gain: 1 })
    context.createMediaElementSource(this.element).connect(this.fader).connect(context.destination)
  }
}
