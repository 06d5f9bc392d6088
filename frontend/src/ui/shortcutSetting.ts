/** Whether keyboard shortcuts are on, remembered in this browser. Off suits speech input, which types letters. */

const STORAGE_KEY = 'unbraid.keys'

export function shortcutsEnabled(): boolean {
  return localStorage.getItem(STORAGE_KEY) !== 'off'
}

export function setShortcutsEnabled(enabled: boolean): void {
  localStorage.setItem(STORAGE_KEY, enabled ? 'on' : 'off')
}

export function openShortcuts(): void {
  document.querySelector<HTMLDialogElement>('#shortcuts')?.showModal()
}
