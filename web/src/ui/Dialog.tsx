import { Title } from '@mantine/core'
import { useEffect, useId, useRef, type ReactNode } from 'react'

import classes from './Dialog.module.css'

interface DialogProps {
  opened: boolean
  /** Called by Escape, or by a click beside the dialog. */
  onClose: () => void
  title: string
  children: ReactNode
}

/**
 * Dialog is a modal dialog of the browser itself. It keeps the focus inside, begins with the first button, and
 * returns the focus at the end.
 */
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
        if (target === currentTarget) onClose() // beside the dialog, because everything visible is inside of the content
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
