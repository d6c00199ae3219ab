import type { ReactNode } from 'react'

import type { RequestBox } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { Empty, Failure, Loading } from '../../ui/States'
import { RequestList } from './RequestList'
import { StatusFilter, useStatusFilter, type Filter } from './StatusFilter'
import { useRequests } from './use-requests'
import { useViewerId } from './use-viewer-id'
import { useWithDrafts } from './use-with-drafts'

interface RequestsBoxProps {
  box: RequestBox
  /** The filter if the address names none. */
  usual: Filter
  title: string
  lead: string
  /** The name of the list. */
  label: string
  /** The texts while it is being loaded, and after a failure. */
  loading: string
  failed: string
  /** The texts for an empty list, for each filter. */
  nothing: Record<Filter, { title: string; text: string }>
  icon: ReactNode
  action?: ReactNode
}

/** RequestsBox is the page of one of the viewer's two boxes: all requests in it, or those with one status. */
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
  const withDrafts = useWithDrafts(requests, box === 'RECEIVED' && filter === 'waiting')
  if (isLoading) return <Loading label={loading} />
  return (
    <>
      {error && <Failure error={error} title={failed} onRetry={() => void reload()} />}
      <RequestList
        label={label}
        requests={withDrafts}
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
