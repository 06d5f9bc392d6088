/** The button that downloads the mix as it sounds in the player. */
import { useEffect, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { MixConfig, Status } from '../api/types'
import { formatPercent } from '../lib/format'
import { STEM_FILE } from '../lib/stems'
import { CLICK, gains, pans } from '../player/mixer'
import type { SongList } from '../songs/list'
import { Icon } from './Icon'
import { type LoadedPlayer, playableFiles } from './usePlayer'

const RENDERED_FORMAT = 'wav'
/** Format of a mix: the uploaded video with the mix as its sound. */
const VIDEO = 'video'
const NOT_RENDERED = 'The mix could not be made. Close other pages and try again.'

interface Props {
  title: string
  status: Status
  player: LoadedPlayer
  config: MixConfig
  list: Pick<SongList, 'client' | 'refresh'>
  /** Whether the server has the song's video. */
  video: boolean
  onProblem: (problem: string | null) => void
}

/** The server mixes in all formats. Tempo, key, pan and click are this browser's, so it makes such a mix itself. */
export function MixDownload({ title, status, player, config, list, video, onProblem }: Props) {
  const { groups, channels, practice, engine, stems } = player
  const [format, setFormat] = useState(status.format ?? 'wav')
  const [withClick, setWithClick] = useState(false)
  /** Done share; null: no mix is being made. */
  const [done, setDone] = useState<number | null>(null)
  const working = useRef<AbortController | null>(null)
  useEffect(() => () => working.current?.abort(), [])

  const levels = gains(channels, groups)
  const places = pans(channels, groups)
  const { [CLICK]: clickGain = 0, ...stemGains } = levels
  const clickHeard = clickGain > 0 && engine.beats.length > 0
  const click = clickHeard && withClick
  const sounding = stems.filter(({ name }) => (stemGains[name] ?? 0) > 0)
  const moved = sounding.some(({ name }) => places[name] !== 0)
  const here = !config.mixes || practice.tempo !== 1 || practice.key !== 0 || moved || click
  const formats = here ? [RENDERED_FORMAT] : [...config.formats.filter((name) => name !== STEM_FILE), ...(video ? [VIDEO] : [])]

  const render = async (signal: AbortSignal): Promise<string> => {
    const { renderMix } = await import('../player/renderMix')
    const urls = (now: Status) => sounding.map(({ name }) => playableFiles(now).find((file) => file.type === name)?.play_url ?? '')
    const [now, song] = [urls(status), status.session_id]
    const file = await renderMix({
      stems: sounding.map(({ name, peaks }, index) => ({
        ...{ name, peaks, url: now[index] ?? '' },
        ...{ gain: stemGains[name] ?? 0, pan: places[name] ?? 0 },
      })),
      practice,
      click: click ? { gain: clickGain, pan: places[CLICK] ?? 0, beats: engine.beats } : null,
      freshUrls: async () => urls(await list.refresh(song)),
      onProgress: setDone,
      signal,
    })
    return URL.createObjectURL(file)
  }
  const download = async () => {
    const controller = new AbortController()
    working.current = controller
    setDone(0)
    onProblem(null)
    try {
      if (here) {
        const url = await render(controller.signal)
        save(url, `${title} - mix.${RENDERED_FORMAT}`)
        setTimeout(() => URL.revokeObjectURL(url), 60_000) // the browser may still be writing it
      } else save(await list.client.mix(status.session_id, stemGains, format), '')
    } catch (error) {
      if (!controller.signal.aborted) onProblem(here ? NOT_RENDERED : errorMessage(error))
    } finally {
      setDone(null)
    }
  }
  const label = done === null ? 'This mix' : here ? `Mixing… ${formatPercent(done)}` : 'Mixing…'
  return (
    <>
      <span className="mix-download">
        <button type="button" disabled={done !== null || sounding.length === 0} onClick={() => void download()}>
          <Icon name="download" /> {label}
        </button>
        <select
          aria-label="Format of the mix"
          title={here && config.mixes ? 'A mix with tempo, key, pan or click is a WAV file.' : undefined}
          value={here ? RENDERED_FORMAT : format}
          onChange={(event) => setFormat(event.target.value)}
        >
          {formats.map((name) => (
            <option key={name} value={name}>
              {name === VIDEO ? 'Video' : name.toUpperCase()}
            </option>
          ))}
        </select>
      </span>
      {done !== null && here && (
        <button type="button" onClick={() => working.current?.abort()}>
          Cancel the mix
        </button>
      )}
      {clickHeard && (
        <label className="check">
          <input type="checkbox" checked={withClick} onChange={(event) => setWithClick(event.target.checked)} />
          <span>With the click</span>
        </label>
      )}
    </>
  )
}

/** A file of the server is an attachment with a name of its own. */
function save(url: string, name: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
}
