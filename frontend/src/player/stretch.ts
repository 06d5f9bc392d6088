/** Change of pitch in an AudioWorklet, by the library Signalsmith Stretch. It is loaded when it is first used. */
import moduleUrl from 'signalsmith-stretch?url'

export interface StretchNode extends AudioNode {
  schedule(change: { active: boolean; semitones: number }): Promise<unknown>
  /** Seconds from its input to its output. */
  latency(): Promise<number>
}

type CreateNode = ((context: BaseAudioContext, options: AudioWorkletNodeOptions) => Promise<StretchNode>) & {
  moduleUrl?: string
}

/** Rejects if the script can't be loaded. */
export async function stretchNode(context: BaseAudioContext): Promise<StretchNode> {
  const create = (await import('signalsmith-stretch')).default as CreateNode
  create.moduleUrl = moduleUrl // the library's default is a script of its own making, which the page's policy forbids
  return create(context, { numberOfInputs: 1, numberOfOutputs: 1, outputChannelCount: [2] })
}
