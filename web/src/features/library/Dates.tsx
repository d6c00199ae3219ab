import { Moment } from '../../ui/Moment'

/** Dates shows when an item was added, or when it was last changed. */
export function Dates({ item: { createdAt, updatedAt } }: { item: { createdAt: string; updatedAt: string } }) {
  // The server sets both one after the other when an item is created.
  const changed = Date.parse(updatedAt) - Date.parse(createdAt) > 1000
  return (
    <span>
      {changed ? 'Changed' : 'Added'} <Moment at={changed ? updatedAt : createdAt} />
    </span>
  )
}
