import { Button } from '@mantine/core'
import { IconSend } from '@tabler/icons-react'
import { Link } from 'wouter'

import { RequestsBox } from './RequestsBox'

/** SentPage shows the viewer's requests to others, with their status. */
export function SentPage() {
  return (
    <RequestsBox
      box="SENT"
      usual="all"
      title="Sent"
      lead="What you asked others. Their answers appear here the moment they give them."
      label="Requests you sent"
      loading="Loading your requests"
      failed="Your requests could not be loaded"
      nothing={{
        all: {
          title: 'You have not asked anybody yet',
          text: 'Somebody here knows. Ask for an item, or put a free question.',
        },
        waiting: { title: 'Nothing is waiting', text: 'Whatever you asked has been answered.' },
        approved: { title: 'Nothing approved yet', text: 'When somebody approves what you asked for, it is kept here.' },
        denied: { title: 'Nothing denied', text: 'Nobody has said no to you.' },
      }}
      icon={<IconSend />}
      action={
        <Button component={Link} to="/ask" mt="xs">
          Ask somebody
        </Button>
      }
    />
  )
}
