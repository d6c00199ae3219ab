import { Moment } from '../../ui/Moment'

/** Made says when an item was added, or last changed where it was. */
export function Made({ item: { createdAt, updatedAt } }: { item: { createdAt: string; updatedAt: string } }) {
  // Both are set one after the other when an item is made.
  const changed = Date.parse(updatedAt) - Date.parse(createdAt) > 1000
  return (
    <span>
      {changed ? 'Changed' : 'Added'} <Moment at={changed ? updatedAt : createdAt} />
    </span>
  )
}
