import { Title } from '@mantine/core'
import { useEffect, useId, useRef, type ReactNode } from 'react'

import classes from './Dialog.module.css'

interface DialogProps {
  opened: boolean
  /** Called when it is to be closed: by Escape, or by a click beside it. */
  onClose: () => void
  title: string
  children: ReactNode
}

/** Dialog asks before anything else goes on. It is the browser's own: it keeps the focus, begins with the first button, and gives the focus back. */
export function Dialog({ opened, onClose, title, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const element = dialog.current
    if (opened) element?.showModal()
    return () => element?.close()
  }, [opened])

  return (
    <dialog
      ref={dialog}
      className={classes.dialog}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={({ target, currentTarget }) => {
        if (target === currentTarget) onClose() // beside it: all that can be seen is inside of the content
      }}
    >
      {opened && (
        <div className={classes.content}>
          <Title order={2} size="h4" id={titleId}>
            {title}
          </Title>
          {children}
        </div>
      )}
    </dialog>
  )
}
