/**
 * GraphiQL marks list items that hold buttons as tabs, and screen readers cannot reach those buttons. This turns them
 * in `main` into a plain list of buttons with a current one. Returns a function that ends this.
 */
export function mendTabRoles(main: HTMLElement): () => void {
  const mend = () => {
    main.querySelector('.graphiql-tabs')?.removeAttribute('role')
    for (const item of main.querySelectorAll('.graphiql-tab[aria-selected]')) {
      const isCurrent = item.getAttribute('aria-selected') === 'true'
      item.removeAttribute('role')
      item.removeAttribute('aria-selected')
      item.querySelector('.graphiql-tab-button')?.setAttribute('aria-current', String(isCurrent))
    }
  }
  const observer = new MutationObserver(mend)
  observer.observe(main, { subtree: true, childList: true, attributeFilter: ['aria-selected'] })
  mend()
  return () => observer.disconnect()
}
