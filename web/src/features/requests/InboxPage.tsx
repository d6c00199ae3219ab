import { IconInbox } from '@tabler/icons-react'

import { RequestsBox } from './RequestsBox'

const atOnce = 'When somebody asks you for what you know, it appears here at once.'

/** InboxPage shows the requests to the viewer, who can approve or deny them there. */
export function InboxPage() {
  return (
    <RequestsBox
      box="RECEIVED"
      usual="waiting"
      title="Inbox"
      lead="What others ask you. Your answer reaches them at once."
      label="Requests to you"
      loading="Loading your inbox"
      failed="Your inbox could not be loaded"
      nothing={{
        waiting: { title: 'Nobody is waiting', text: atOnce },
        approved: { title: 'Nothing approved yet', text: 'The requests that you approve are kept here.' },
        denied: { title: 'Nothing denied', text: 'The requests that you deny are kept here.' },
        all: { title: 'Nobody has asked you yet', text: atOnce },
      }}
      icon={<IconInbox />}
    />
  )
}
