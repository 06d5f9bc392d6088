/** What teaching in AWS costs, with the question whether to start. */
import { dollars } from './steps'
import type { Offer } from './types'

interface Props {
  offer: Offer
  onAccept: (mostUsd: number) => void
  onBack: () => void
}

export function TeachOffer({ offer, onAccept, onBack }: Props) {
  return (
    <section className="teach-offer" aria-label="Price in AWS">
      <h3>Teach it in AWS, for at most {dollars(offer.most_usd)}?</h3>
      <ul>
        {offer.lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p className="soft">Nothing has been sent or paid so far. AWS bills your account.</p>
      <p className="buttons">
        <button type="button" className="primary" onClick={() => onAccept(offer.most_usd)}>
          Start in AWS
        </button>
        <button type="button" onClick={onBack}>
          Back
        </button>
      </p>
    </section>
  )
}
