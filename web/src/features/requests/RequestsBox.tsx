import type { ReactNode } from 'react'

import type { RequestBox } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { Empty, Failure, Loading } from '../../ui/States'
import { RequestList } from './RequestList'
import { StatusFilter, useStatusFilter, type Filter } from './StatusFilter'
import { useRequests } from './use-requests'
import { useViewerId } from './use-viewer-id'
import { useWithUnsent } from './use-with-unsent'

interface RequestsBoxProps {
  box: RequestBox
  /** What is shown where the address names no filter. */
  usual: Filter
  title: string
  lead: string
  /** What the list is called. */
  label: string
  /** What is said while it is being loaded, and where that failed. */
  loading: string
  failed: string
  /** What is said where there is nothing, for each filter, and what one can do about it. */
  nothing: Record<Filter, { title: string; text: string }>
  icon: ReactNode
  action?: ReactNode
}

/** RequestsBox is the page of one of the viewer's two boxes: all requests in it, or those of one status. */
export function RequestsBox({ usual, title, lead, ...list }: RequestsBoxProps) {
  const { filter, status } = useStatusFilter(usual)
  return (
    <Page title={title} lead={lead}>
      <StatusFilter label="Which requests" filter={filter} usual={usual} />
      <Listed key={filter} filter={filter} status={status} {...list} />
    </Page>
  )
}

type ListedProps = Omit<RequestsBoxProps, 'usual' | 'title' | 'lead'> & ReturnType<typeof useStatusFilter>

function Listed({ box, filter, status, label, loading, failed, nothing, icon, action }: ListedProps) {
  const viewerId = useViewerId()
  const { requests, isLoading, error, reload, more } = useRequests(box, status)
  const withUnsent = useWithUnsent(requests, box === 'RECEIVED' && filter === 'waiting')
  if (isLoading) return <Loading label={loading} />
  return (
    <>
      {error && <Failure error={error} title={failed} onRetry={() => void reload()} />}
      <RequestList
        label={label}
        requests={withUnsent}
        viewerId={viewerId}
        more={more}
        empty={
          !error && (
            <Empty icon={icon} title={nothing[filter].title} action={action}>
              {nothing[filter].text}
            </Empty>
          )
        }
      />
    </>
  )
}
