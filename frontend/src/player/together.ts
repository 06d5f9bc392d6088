/** Starts all stems of a piece at the same sample, or none. */
import type { CountInSound, Metronome } from './metronome'
import type { ScheduledPiece } from './schedule'

/** Before its start, a piece must be complete by this time: a few times what the browser renders at once. */
const MARGIN_S = 0.01
/** From the call to the first sample. Doubled while the machine is too busy for it. */
const LEAD_S = 0.04
const LONGEST_LEAD_S = 1

export interface PlayingPiece extends ScheduledPiece {
  nodes: readonly AudioBufferSourceNode[]
}

/**
 * A busy machine may stop the page between the starts of two stems. What starts in the past starts late, so the stems
 * would be out of step. A piece whose time has come before all its nodes are there is stopped, and its caller tries again
 * at a later time. The output must be closed until a piece that follows no other is accepted.
 */
export class Together {
  /** Seconds until the next piece that follows no other. */
  lead = LEAD_S

  constructor(
    private readonly context: BaseAudioContext,
    private readonly inputs: readonly AudioNode[],
    private readonly sampleRate: number,
  ) {}

  /** `before`: sounds first, and belongs to the piece. Returns null if it was too late. */
  start(
    piece: ScheduledPiece,
    buffers: readonly AudioBuffer[],
    metronome: Metronome,
    before: CountInSound | null,
  ): PlayingPiece | null {
    const { context, sampleRate } = this
    const stems = buffers.map((buffer, stem) => {
      const node = new AudioBufferSourceNode(context, { buffer, playbackRate: piece.tempo })
      const input = this.inputs[stem]
      if (input !== undefined) node.connect(input)
      node.start(piece.at, piece.offset / sampleRate, piece.length / sampleRate)
      return node
    })
    const nodes = [...(before?.nodes ?? []), ...stems, ...metronome.schedule(piece, sampleRate)]
    const playing = { ...piece, nodes }
    if (context.currentTime + MARGIN_S < piece.at) {
      this.lead = LEAD_S
      return playing
    }
    if (this.lead >= LONGEST_LEAD_S) return playing // the machine can't do better
    this.lead = Math.min(2 * this.lead, LONGEST_LEAD_S)
    for (const node of nodes) {
      node.stop()
      node.disconnect()
    }
    return null
  }
}
