/** onlyOnce returns a function that is true the first time that it is given an id. It knows the last so many. */
export function onlyOnce(known: number): (id: string) => boolean {
  const ids = new Set<string>()
  return (id) => {
    if (ids.has(id)) return false
    const [oldest] = ids
    if (oldest !== undefined && ids.size >= known) ids.delete(oldest)
    ids.add(id)
    return true
  }
}
