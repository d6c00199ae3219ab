import { Button } from '@mantine/core'
import { IconSend } from '@tabler/icons-react'
import { Link } from 'react-router'

import { Page } from '../../ui/Page'
import { Empty, Failure, Loading } from '../../ui/States'
import { RequestList } from './RequestList'
import { StatusFilter, useStatusFilter, type Filter } from './StatusFilter'
import { useRequests } from './use-requests'
import { useViewerId } from './use-viewer-id'

const nothing: Record<Filter, { title: string; text: string }> = {
  all: { title: 'You have not asked anybody yet', text: 'Somebody here knows. Ask for an item, or put a free question.' },
  waiting: { title: 'Nothing is waiting', text: 'Whatever you asked has been answered.' },
  approved: { title: 'Nothing approved yet', text: 'When somebody approves what you asked for, it is kept here.' },
  denied: { title: 'Nothing denied', text: 'Nobody has said no to you.' },
}

/** SentPage is what the viewer asked others, and where each request stands. */
export function SentPage() {
  const viewerId = useViewerId()
  const { filter, status } = useStatusFilter('all')
  const { requests, isLoading, error, reload, more } = useRequests('SENT', status)
  return (
    <Page title="Sent" lead="What you asked others. Their answers appear here the moment they give them.">
      <StatusFilter label="Which requests" filter={filter} usual="all" />
      {error && <Failure error={error} title="Your requests could not be loaded" onRetry={() => void reload()} />}
      {isLoading && <Loading label="Loading your requests" />}
      {!isLoading && (
        <RequestList
          key={filter}
          label="Requests you sent"
          requests={requests}
          viewerId={viewerId}
          more={more}
          empty={
            !error && (
              <Empty
                icon={<IconSend />}
                title={nothing[filter].title}
                action={
                  <Button component={Link} to="/ask" mt="xs">
                    Ask somebody
                  </Button>
                }
              >
                {nothing[filter].text}
              </Empty>
            )
          }
        />
      )}
    </Page>
  )
}
