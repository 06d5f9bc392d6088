/** One channel of the mixer in the audio graph: level and pan. */

const FADE_S = 0.02 // time constant: a switched stem changes by less than 0.12 % of its level from sample to sample

export class Strip {
  private readonly gain: GainNode
  private readonly panner: StereoPannerNode

  constructor(
    private readonly context: BaseAudioContext,
    target: AudioNode,
  ) {
    // Always stereo: the panner would lower a mono stem by 3 dB in the middle, and a stereo one not.
    this.gain = new GainNode(context, { channelCount: 2, channelCountMode: 'explicit' })
    this.panner = new StereoPannerNode(context)
    this.gain.connect(this.panner).connect(target)
  }

  /** Where to connect the sound. */
  get input(): AudioNode {
    return this.gain
  }

  /** Change level and pan without a click. */
  fade(gain: number, pan: number): void {
    this.gain.gain.setTargetAtTime(gain, this.context.currentTime, FADE_S)
    this.panner.pan.setTargetAtTime(pan, this.context.currentTime, FADE_S)
  }

  /** Set level and pan before anything sounds. */
  set(gain: number, pan: number): void {
    this.gain.gain.value = gain
    this.panner.pan.value = pan
  }
}
