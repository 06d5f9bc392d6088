/** One stem: its name, mixer controls and waveform. */
import type { ReactNode } from 'react'
import { formatSize } from '../lib/format'
import { partName, stemClass, stemName } from '../lib/stems'
import type { OutputFile } from '../api/types'
import { type Groups, isSilent, type Mix } from '../player/mixer'
import { ChannelControls } from './ChannelControls'
import { dragFile } from './dragOut'
import { Icon } from './Icon'
import { type Timeline, useTimelinePointer } from './timeline'
import type { Stem } from './usePlayer'
import { LoopShade, Waveform } from './Waveform'

interface Props {
  /** Title of the song. */
  title: string
  stem: Stem
  /** The file to download, with a current link. */
  file: OutputFile
  /** Level at the full height of the lane, 0 to 1. */
  fullLevel: number
  mix: Mix
  /** false: the original is heard instead. */
  heard?: boolean
  groups: Groups
  setMix: (mix: Mix) => void
  timeline: Timeline
  /** Menu for separating the stem further; null for a part. */
  split: ReactNode
}

/** The visible name of a lane. The lane of a part stands below that of its stem. */
export function laneName({ type, from }: OutputFile): string {
  return from == null ? stemName(type) : partName(from, type.slice(from.length + 1))
}

export function Lane({ title, stem, file, fullLevel, mix, heard = true, groups, setMix, timeline, split }: Props) {
  const name = stemName(stem.name)
  const silent = !heard || isSilent(stem.name, mix, groups)
  const isPart = stem.name in groups
  const { view, loop, fine } = timeline
  const wave = useTimelinePointer(timeline)
  const more = (
    <>
      <a
        className="download"
        href={file.s3_url}
        download
        title="Download, or drag it into your DAW"
        aria-label={`Download ${file.filename}, ${formatSize(file.size)}`}
        onDragStart={dragFile(`${title} - ${file.filename}`)}
      >
        <Icon name="download" />
      </a>
      {split}
    </>
  )
  return (
    <div className={`lane ${stemClass(stem.name)}${isPart ? ' part' : ''}${silent ? ' silent' : ''}`} role="group" aria-label={name}>
      <ChannelControls channel={stem.name} name={name} mix={mix} setMix={setMix} more={more}>
        {laneName(file)}
      </ChannelControls>
      <div className="wave" ref={wave} aria-hidden="true">
        <Waveform peaks={stem.peaks} fine={fine.get(stem.name)} fullLevel={fullLevel} view={view} />
        {loop !== null && <LoopShade loop={loop} view={view} />}
        <i className="playhead" />
      </div>
    </div>
  )
}
