import { Button } from '@mantine/core'
import { IconBookOff } from '@tabler/icons-react'
import { Link } from 'wouter'

import { Page } from '../../ui/Page'
import { Empty } from '../../ui/States'

/** NotFound replaces an item that does not exist. */
export function NotFound() {
  return (
    <Page title="Not in the library">
      <Empty
        icon={<IconBookOff size={28} />}
        title="There is no such item"
        action={
          <Button component={Link} to="/library" mt="xs">
            To the library
          </Button>
        }
      >
        Its owner may have deleted it, or the address is not complete.
      </Empty>
    </Page>
  )
}
