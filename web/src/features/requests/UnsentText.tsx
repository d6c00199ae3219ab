import { Button, CopyButton, Group, Text } from '@mantine/core'
import { IconInfoCircle } from '@tabler/icons-react'

import cardClasses from '../../ui/Card.module.css'
import classes from './UnsentText.module.css'

/** UnsentText shows the text that the viewer was writing when another device answered. */
export function UnsentText({ text, onDiscard }: { text: string; onDiscard: () => void }) {
  return (
    <div className={classes.unsent}>
      <p className={classes.notice} role="status">
        <IconInfoCircle size={20} aria-hidden className={classes.icon} />
        This was answered on another device. What you were writing here was not sent:
      </p>
      <Text className={`${cardClasses.text} ${classes.text}`}>{text}</Text>
      <Group gap="sm" className={classes.buttons}>
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? 'Copied' : 'Copy the text'}
            </Button>
          )}
        </CopyButton>
        <Button size="xs" variant="default" onClick={onDiscard}>
          Discard the text
        </Button>
      </Group>
    </div>
  )
}
