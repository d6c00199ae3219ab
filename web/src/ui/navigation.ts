/** The kind of the last navigation: a load of the page, a link in the app, or the browser's Back and Forward. */
export type Navigation = 'load' | 'link' | 'history'

let last: Navigation = 'load'

// wouter dispatches these events when it changes the history, and the browser dispatches popstate. A redirect before
// the first user input belongs to the load.
for (const event of ['pushState', 'replaceState']) {
  window.addEventListener(event, () => {
    if (navigator.userActivation.hasBeenActive) last = 'link'
  })
}
window.addEventListener('popstate', () => {
  last = 'history'
})

export const lastNavigation = (): Navigation => last
