/** Notifications of the system, for users who look at another window. Asked for only when the user turns them on. */

const KEY = 'unbraid.notifications'

export function notificationsSupported(): boolean {
  return 'Notification' in window
}

export function notificationsOn(): boolean {
  return notificationsSupported() && Notification.permission === 'granted' && localStorage.getItem(KEY) === 'on'
}

/** Turn them on or off. Resolves to whether they are on: the browser may refuse. */
export async function setNotifications(on: boolean): Promise<boolean> {
  if (on && (await Notification.requestPermission()) === 'granted') localStorage.setItem(KEY, 'on')
  else localStorage.removeItem(KEY)
  return notificationsOn()
}

/** Show a notification, unless the user looks at the page. */
export function notify(text: string): void {
  if (!notificationsOn() || document.hasFocus()) return
  const options = { body: text, icon: './icon-192.png', tag: 'songs' }
  void show(options).catch(() => undefined) // the page shows the same text
}

async function show(options: NotificationOptions): Promise<void> {
  // Browsers of phones show only those of a service worker.
  const registration = await navigator.serviceWorker.getRegistration()
  if (registration?.active != null) await registration.showNotification('Unbraid', options)
  else new Notification('Unbraid', options)
}
