import { useMutation } from '@apollo/client/react'
import { Alert, Button, Group, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { notifications } from '@mantine/notifications'
import { IconTrash } from '@tabler/icons-react'

import { DeleteKnowledgeDocument } from '../../gql/operations'
import { Dialog } from '../../ui/Dialog'
import { codeOf, messageOf } from '../../ui/errors'

interface DeleteKnowledgeProps {
  item: { id: string; title: string }
  className?: string
  /** Called when the item is deleted, also if it already was. */
  onDeleted: () => void
}

/** DeleteKnowledge is the button that deletes an item after a confirmation. */
export function DeleteKnowledge({ item, className, onDeleted }: DeleteKnowledgeProps) {
  const [opened, { open, close }] = useDisclosure()
  const [remove, { loading, error, reset }] = useMutation(DeleteKnowledgeDocument)

  async function confirm() {
    const gone = await remove({ variables: { input: { id: item.id } } }).then(
      () => true,
      (error: unknown) => codeOf(error) === 'NOT_FOUND',
    )
    if (!gone) return
    notifications.show({ message: `“${item.title}” was deleted.`, color: 'teal' })
    onDeleted()
  }

  return (
    <>
      <Button
        variant="default"
        color="red"
        className={className}
        leftSection={<IconTrash size={18} aria-hidden />}
        onClick={() => {
          reset()
          open()
        }}
      >
        Delete
      </Button>
      <Dialog opened={opened} onClose={close} title={`Delete “${item.title}”?`}>
        <Text>
          It is deleted for everybody, also for those it was shared with. Whoever has asked for it and still waits is
          told no at once. This cannot be undone.
        </Text>
        {error && (
          <Alert color="red" role="alert">
            {messageOf(error)}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" className={className} onClick={close}>
            Keep it
          </Button>
          <Button color="red" className={className} loading={loading} onClick={() => void confirm()}>
            Delete it
          </Button>
        </Group>
      </Dialog>
    </>
  )
}
