/** Keep the keyboard's focus in the page when the focused element goes: never to the body, from where Tab starts again. */
import { moveFocus } from './focus'

const FOCUSABLE = 'button:enabled, a[href], select:enabled, input:enabled:not([hidden]), summary, [tabindex="0"]'

interface Place {
  element: HTMLElement
  /** The card of the song with the element, and its place in the list; null: elsewhere. */
  card: Element | null
  index: number
}

/** Follow focus and changes of the page. Returns a function that ends it. */
export function keepFocus(): () => void {
  let last: Place | null = null
  let scheduled = 0
  const onFocus = ({ target }: FocusEvent) => {
    if (!(target instanceof HTMLElement)) return
    const card = target.closest('.songs > li')
    last = { element: target, card, index: cards().findIndex((other) => other === card) }
  }
  const onPointerDown = () => (last = null) // the pressed element gets the focus after this, if it can have it
  const restore = () => {
    scheduled = 0
    if (last === null || !isLost(document.activeElement) || isUsable(last.element)) return
    moveFocus(substitute(last))
  }
  const observer = new MutationObserver(() => {
    // After the frame, in which browsers also take the focus from disabled elements.
    if (scheduled === 0) scheduled = requestAnimationFrame(() => (scheduled = requestAnimationFrame(restore)))
  })
  observer.observe(document.body, { subtree: true, childList: true, attributeFilter: ['disabled', 'hidden', 'open'] })
  window.addEventListener('focusin', onFocus)
  window.addEventListener('pointerdown', onPointerDown, { capture: true })
  return () => {
    observer.disconnect()
    cancelAnimationFrame(scheduled)
    window.removeEventListener('focusin', onFocus)
    window.removeEventListener('pointerdown', onPointerDown, { capture: true })
  }
}

function cards(): Element[] {
  return [...document.querySelectorAll('.songs > li')]
}

function isLost(active: Element | null): boolean {
  return active === null || active === document.body || !isUsable(active)
}

function isUsable(element: Element): boolean {
  return element.isConnected && element.checkVisibility() && !element.matches(':disabled')
}

/** The element that takes over: in the same card, else in the card that is at its place now, else at the top. */
function substitute({ card, index }: Place): HTMLElement | null {
  const left = cards()
  const near = card?.isConnected === true ? card : left[Math.min(index, left.length - 1)]
  const main = document.querySelector('main')
  return firstIn(near ?? null) ?? firstIn(main) ?? firstIn(document.body)
}

function firstIn(area: Element | null): HTMLElement | null {
  return [...(area?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])].find(isUsable) ?? null
}
