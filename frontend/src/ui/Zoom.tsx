/** How close the timeline is. */
import type { Layout } from '../player/peaks'
import { isWhole, type View } from '../player/view'

const STEP = 2

interface Props {
  view: View
  layout: Layout
  zoom: (factor: number) => void
}

export function Zoom({ view, layout, zoom }: Props) {
  const factor = layout.samples / (view.to - view.from)
  return (
    <span className="step zoom" role="group" aria-label="Zoom">
      <span className="step-label">Zoom</span>
      <button
        type="button"
        aria-label="Zoom out"
        title="Show more of the song (−)"
        disabled={isWhole(view, layout)}
        onClick={() => zoom(1 / STEP)}
      >
        −
      </button>
      <output aria-label="Zoom">{factor < 9.95 ? Number(factor.toFixed(1)) : Math.round(factor)}×</output>
      <button type="button" aria-label="Zoom in" title="Show less of the song (+)" onClick={() => zoom(STEP)}>
        +
      </button>
    </span>
  )
}
