/** Whether single keys are commands: some people's software types letters of its own. Kept in this browser. */

const NAME = 'unbraid.keys'

export function keysAreOn(): boolean {
  return localStorage.getItem(NAME) !== 'off'
}

export function setKeys(on: boolean): void {
  localStorage.setItem(NAME, on ? 'on' : 'off')
}

export function openKeys(): void {
  document.querySelector<HTMLDialogElement>('#keys')?.showModal()
}
