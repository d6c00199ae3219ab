import type { RefObject } from 'react'

import type { RequestFieldsFragment } from '../../gql/operations'
import { Answer } from './Answer'
import { AnswerForm } from './AnswerForm'
import { UnsentText } from './UnsentText'
import { useAnswer } from './use-answer'

interface AnsweringProps {
  request: RequestFieldsFragment
  viewerId: string
  /** The element that gets the focus when the focused one is gone. */
  focusAfter: RefObject<HTMLElement | null>
  /** Whether a heading above already names this as the answer. */
  isTitled?: boolean
}

/**
 * Answering is the lower half of a request: the form for the owner of a pending request, and the answer for everybody
 * else.
 */
export function Answering({ request, viewerId, focusAfter, isTitled }: AnsweringProps) {
  const isOwner = request.owner.id === viewerId
  if (isOwner && request.status === 'PENDING') {
    return <AnswerForm request={request} focusAfter={focusAfter} isTitled={isTitled} />
  }
  return (
    <>
      <Answer request={request} viewerId={viewerId} />
      {isOwner && <Unsent request={request} focusAfter={focusAfter} />}
    </>
  )
}

/** Unsent gives the owner the text that they were writing when another device answered first. */
function Unsent({ request, focusAfter }: Pick<AnsweringProps, 'request' | 'focusAfter'>) {
  const { draft, discard } = useAnswer(request)
  if (!draft.text.trim() || draft.sending) return null

  function drop() {
    discard()
    focusAfter.current?.focus()
  }
  return <UnsentText text={draft.text} onDiscard={drop} />
}
