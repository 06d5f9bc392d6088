/**
 * Whether the focused element was reached by the keyboard (or by assistive technology), and not by a click or touch.
 * `:focus-visible` doesn't tell, as a key press makes it match after a click too.
 */
let byPointer = false
let pressed = false

export function focusedByKeyboard(): boolean {
  return !byPointer
}

function onPointerDown(): void {
  byPointer = pressed = true
}

function onPointerEnd(): void {
  pressed = false
}

function onFocus(): void {
  byPointer = pressed
}

/** Follow the focus, as long as the page is open. */
export function followFocus(): void {
  const listeners: readonly (readonly [string, () => void])[] = [
    ['pointerdown', onPointerDown],
    ['pointerup', onPointerEnd],
    ['pointercancel', onPointerEnd],
    ['focusin', onFocus],
  ]
  for (const [name, listener] of listeners) window.addEventListener(name, listener, { capture: true })
}

/** Move the focus. Whether the keyboard or a click brought it stays as it was. */
export function moveFocus(element: HTMLElement | null): void {
  const before = byPointer
  element?.focus()
  byPointer = before
}
