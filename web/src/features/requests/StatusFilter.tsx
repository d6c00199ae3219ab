import { Link, useLocation, useSearchParams } from 'wouter'

import type { KnowledgeRequestStatus } from '../../gql/operations'
import classes from './StatusFilter.module.css'

const filters = {
  waiting: { word: 'Waiting', status: 'PENDING' },
  approved: { word: 'Approved', status: 'APPROVED' },
  denied: { word: 'Denied', status: 'DENIED' },
  all: { word: 'All', status: undefined },
} as const satisfies Record<string, { word: string; status: KnowledgeRequestStatus | undefined }>

export type Filter = keyof typeof filters

/** useStatusFilter reads the filter from `?status=` in the address. So it can be shared, and Back restores it. */
export function useStatusFilter(usual: Filter) {
  const [search] = useSearchParams()
  const named = search.get('status') ?? ''
  const filter = Object.hasOwn(filters, named) ? (named as Filter) : usual
  return { filter, status: filters[filter].status }
}

interface StatusFilterProps {
  label: string
  filter: Filter
  /** The filter without a name in the address. It comes first. */
  usual: Filter
}

/** StatusFilter chooses which requests are listed. */
export function StatusFilter({ label, filter, usual }: StatusFilterProps) {
  const [pathname] = useLocation()
  const others = (Object.keys(filters) as Filter[]).filter((name) => name !== usual)
  return (
    <nav aria-label={label}>
      <ul className={classes.filters}>
        {[usual, ...others].map((name) => (
          <li key={name}>
            <Link
              to={name === usual ? pathname : `${pathname}?status=${name}`}
              className={classes.filter}
              aria-current={name === filter ? 'page' : undefined}
            >
              {filters[name].word}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  )
}
