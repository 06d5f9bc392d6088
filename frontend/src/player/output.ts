/** The way from the stems to the loudspeaker: change of key and tempo, and a fader. */
import { stretchNode, type StretchNode } from './stretch'

const FADE_S = 0.012 // prevents clicks at stops and jumps
/** The output opens shortly before the sound. */
const OPEN_BEFORE_S = 0.003
const OPEN_S = 0.002
const LEVEL_S = 1
const SEMITONES = 12 // of an octave
const MOST_LATENCY_S = 1 // of the change of key; it has about 0.15

/** How the song is practised. */
export interface Practice {
  /** Speed at the same pitch; 1: as recorded. */
  tempo: number
  /** Semitones up or down at the same speed. Drums keep their pitch. */
  key: number
}

export const AS_RECORDED: Practice = { tempo: 1, key: 0 }
export const TEMPO_PERCENT = { min: 50, max: 150 }
export const KEYS = { min: -12, max: 12 }

interface Bus {
  gain: GainNode
  /** null until it is needed. */
  stretch: StretchNode | null
}

/**
 * The stems play faster or slower, which changes their pitch too. One node for the drums and one for everything else
 * move the pitch back, by the same latency, so all stems stay in step. As recorded, no node is in between.
 */
export class Output {
  private readonly fader: GainNode
  /** Level of everything; 1: as it is. */
  private readonly level: GainNode
  private readonly drums: Bus
  private readonly others: Bus
  /** Clicks keep their pitch at any tempo, so they only wait as long as the stems do. */
  readonly clicks: DelayNode
  private stretched = false
  private stretchLatency = 0
  private practice = AS_RECORDED

  constructor(private readonly context: BaseAudioContext) {
    this.fader = new GainNode(context, { gain: 1 })
    this.level = new GainNode(context, { gain: 1 })
    this.fader.connect(this.level).connect(context.destination)
    this.drums = this.bus()
    this.others = this.bus()
    this.clicks = new DelayNode(context, { maxDelayTime: MOST_LATENCY_S, delayTime: 0 })
    this.clicks.connect(this.fader)
  }

  /** Where to connect a stem. */
  entry(isDrums: boolean): AudioNode {
    return (isDrums ? this.drums : this.others).gain
  }

  /** Seconds from a stem to the fader. */
  get latency(): number {
    return this.stretched ? this.stretchLatency : 0
  }

  /** Change key and tempo. Rejects if the script for that can't be loaded; then nothing has changed. */
  async change(practice: Practice): Promise<void> {
    const stretched = practice.tempo !== 1 || practice.key !== 0
    if (stretched) await Promise.all([this.drums, this.others].map((bus) => this.load(bus)))
    this.practice = practice
    if (stretched) await this.tune()
    if (stretched === this.stretched) return
    this.stretched = stretched
    this.clicks.delayTime.value = this.latency
    for (const { gain, stretch } of [this.drums, this.others]) {
      gain.disconnect()
      gain.connect((stretched ? stretch : null) ?? this.fader)
    }
  }

  /** Change the level slowly, so that no jump is heard. */
  setLevel(level: number): void {
    this.level.gain.setTargetAtTime(level, this.context.currentTime, LEVEL_S)
  }

  /** Become as loud as before, within `seconds` of the time `at`; at once if none are given. */
  open(at: number, seconds?: number): void {
    const begin = Math.max(this.context.currentTime, at + this.latency - (seconds === undefined ? OPEN_BEFORE_S : 0))
    const { gain } = this.fader
    gain.setValueAtTime(0, begin)
    gain.linearRampToValueAtTime(1, begin + (seconds ?? OPEN_S))
  }

  /** Become silent until `open`. Returns when it is. */
  close(): number {
    const now = this.context.currentTime
    const { gain } = this.fader
    gain.cancelScheduledValues(now)
    gain.setValueAtTime(gain.value, now)
    gain.linearRampToValueAtTime(0, now + FADE_S)
    return now + FADE_S + 0.002
  }

  private bus(): Bus {
    const gain = new GainNode(this.context)
    gain.connect(this.fader)
    return { gain, stretch: null }
  }

  private async load(bus: Bus): Promise<void> {
    if (bus.stretch !== null) return
    const stretch = await stretchNode(this.context)
    this.stretchLatency = await stretch.latency()
    stretch.connect(this.fader)
    bus.stretch = stretch
  }

  private async tune(): Promise<void> {
    const { tempo, key } = this.practice
    const back = -SEMITONES * Math.log2(tempo)
    await this.drums.stretch?.schedule({ active: true, semitones: back })
    await this.others.stretch?.schedule({ active: true, semitones: back + key })
  }
}
