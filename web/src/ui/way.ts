/** How the present page was reached: it was loaded, a link or the app led to it, or the browser's Back and Forward. */
export type Way = 'load' | 'link' | 'history'

let way: Way = 'load'

// wouter tells of what it does to the history by these events, as the browser does by the last one. A redirect before anybody has
// touched the page belongs to its loading.
for (const event of ['pushState', 'replaceState']) {
  window.addEventListener(event, () => {
    if (navigator.userActivation.hasBeenActive) way = 'link'
  })
}
window.addEventListener('popstate', () => {
  way = 'history'
})

export const lastWay = (): Way => way
