/** The pieces that sound or are scheduled, in order. Times are in seconds of the AudioContext. */
import { duration, endOf, type Loop, positionAt } from './schedule'
import type { PlayingPiece } from './together'

const KEPT_S = 2 // after their end: the loudspeaker is behind the clock

export class Scheduled {
  private pieces: PlayingPiece[] = []

  constructor(private readonly sampleRate: number) {}

  add(piece: PlayingPiece): void {
    this.pieces.push(piece)
  }

  /** When the last one ends; 0: there is none. */
  get end(): number {
    const last = this.pieces.at(-1)
    return last === undefined ? 0 : this.endTime(last)
  }

  /** The position that sounds at a time. Before the first piece it is `before`. */
  positionAt(time: number, before: number): number {
    return positionAt(time, this.pieces, this.sampleRate, before)
  }

  /** Forget pieces that ended a while ago. */
  forgetEnded(now: number): void {
    this.pieces = this.pieces.filter((piece) => this.endTime(piece) >= now - KEPT_S)
  }

  /**
   * Stop all pieces that have not begun, and end the last one at the end of the loop, if it began before that. Returns
   * the position after the last piece; null: there is none.
   */
  keepSounding(now: number, loop: Loop | null): number | null {
    for (const { at, nodes } of this.pieces) if (at > now) for (const node of nodes) node.stop()
    this.pieces = this.pieces.filter((piece) => piece.at <= now)
    const last = this.pieces.at(-1)
    if (last === undefined) return null
    if (loop !== null && endOf(last) > loop.to && last.start < loop.to) {
      last.length = loop.to - last.start
      for (const node of last.nodes) node.stop(this.endTime(last))
    }
    return endOf(last)
  }

  /** Stop all pieces at a time. */
  stop(at: number): void {
    for (const { nodes } of this.pieces) for (const node of nodes) node.stop(at)
    this.pieces = []
  }

  private endTime(piece: PlayingPiece): number {
    return piece.at + duration(piece, this.sampleRate)
  }
}
