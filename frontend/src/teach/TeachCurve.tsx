/** The live curve of a run, and what it means. */
import { AUDIBLE_DB, HEIGHT, meaning, placeCurve, WIDTH } from './curve'
import { goesOn, stepText } from './steps'
import type { Score, Teaching } from './types'

/** Of a label, in the picture's units, on a phone. */
const LABEL_HEIGHT = 14

interface Props {
  teaching: Teaching
  onStop: () => void
  onDiscard: () => void
}

export function TeachCurve({ teaching, onStop, onDiscard }: Props) {
  const { curve, done, step, detail, in_aws: inAws } = teaching
  return (
    <section className="teach-run" aria-label={`Teaching ${teaching.name}`}>
      <h3>{teaching.name}</h3>
      <p role="status">{stepText(teaching)}</p>
      {step === 'unreachable' && detail !== null && <p className="soft">{detail}</p>}
      {done !== null && <progress value={done} max={1} aria-label="Progress" />}
      <Curve curve={curve} />
      <p>{meaning(curve)}</p>
      {goesOn(teaching) && <p className="soft">It goes on in AWS if you close the page or switch this computer off.</p>}
      <p className="buttons">
        {!inAws && (
          <button type="button" onClick={onStop}>
            Pause
          </button>
        )}
        <button type="button" className="quiet" onClick={onDiscard}>
          Stop and delete
        </button>
      </p>
    </section>
  )
}

/** Scores over time. The dashed lines are the score before, and a gain that can be heard. */
export function Curve({ curve }: { curve: readonly Score[] }) {
  if (curve.length < 2) return null
  const { points, zero, audible } = placeCurve(curve)
  const at = (height: number) => ({ top: `${(100 * height) / HEIGHT}%` })
  return (
    <div className="teach-curve" role="img" aria-label={meaning(curve)}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`}>
        <path className="guide" d={`M0 ${zero}H${WIDTH}M0 ${audible}H${WIDTH}`} />
        <path className="gain" d={`M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}`} />
        {points.map(([x, y]) => (
          <circle key={x} cx={x} cy={y} r={2.5} />
        ))}
      </svg>
      <span style={at(zero)}>before</span>
      {zero - audible > LABEL_HEIGHT && <span style={at(audible)}>+{AUDIBLE_DB} dB</span>}
    </div>
  )
}
