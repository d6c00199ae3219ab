import { useApolloClient, useFragment } from '@apollo/client/react'
import { IconInbox } from '@tabler/icons-react'
import { useSyncExternalStore } from 'react'

import { RequestFieldsFragmentDoc, type RequestFieldsFragment } from '../../gql/operations'
import { Page } from '../../ui/Page'
import { Empty, Failure, Loading } from '../../ui/States'
import { draftsOf } from './drafts'
import { RequestList } from './RequestList'
import { StatusFilter, useStatusFilter, type Filter } from './StatusFilter'
import { useRequests } from './use-requests'
import { useViewerId } from './use-viewer-id'

const nothing: Record<Filter, { title: string; text: string }> = {
  waiting: { title: 'Nobody is waiting', text: 'When somebody asks you for what you know, it appears here at once.' },
  approved: { title: 'Nothing approved yet', text: 'The requests that you approve are kept here.' },
  denied: { title: 'Nothing denied', text: 'The requests that you deny are kept here.' },
  all: { title: 'Nobody has asked you yet', text: 'When somebody asks you for what you know, it appears here at once.' },
}

/** InboxPage is what others ask the viewer, to be approved or denied right there. */
export function InboxPage() {
  const viewerId = useViewerId()
  const { filter, status } = useStatusFilter('waiting')
  const { requests, isLoading, error, reload, more } = useRequests('RECEIVED', status)
  const shown = useWithUnsent(requests, filter === 'waiting')
  return (
    <Page title="Inbox" lead="What others ask you. Your answer reaches them at once.">
      <StatusFilter label="Which requests" filter={filter} usual="waiting" />
      {error && <Failure error={error} title="Your inbox could not be loaded" onRetry={() => void reload()} />}
      {isLoading && <Loading label="Loading your inbox" />}
      {!isLoading && (
        <RequestList
          key={filter}
          label="Requests to you"
          requests={shown}
          viewerId={viewerId}
          more={more}
          empty={
            !error && (
              <Empty icon={<IconInbox />} title={nothing[filter].title}>
                {nothing[filter].text}
              </Empty>
            )
          }
        />
      )}
    </Page>
  )
}

/**
 * useWithUnsent adds the requests that the viewer is writing an answer to and that have left the list, be it because
 * another device answered them or because the list was fetched again and is shorter: nobody loses the card they write in.
 */
function useWithUnsent(requests: RequestFieldsFragment[], wanted: boolean): RequestFieldsFragment[] {
  const drafts = draftsOf(useApolloClient())
  const unsent = useSyncExternalStore(drafts.subscribe, drafts.unsent)
  const listed = new Set(requests.map((request) => request.id))
  const left = wanted ? unsent.filter((id) => !listed.has(id)) : []
  const { data } = useFragment({
    fragment: RequestFieldsFragmentDoc,
    fragmentName: 'RequestFields',
    from: left.map((id) => ({ __typename: 'KnowledgeRequest', id })),
  })
  const kept = data.flatMap((request) => (request?.id === undefined ? [] : [request as RequestFieldsFragment]))
  if (kept.length === 0) return requests
  return [...requests, ...kept].sort((a, b) => b.createdAt.localeCompare(a.createdAt))
}
