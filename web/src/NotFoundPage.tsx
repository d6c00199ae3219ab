import { Button } from '@mantine/core'
import { IconCompass } from '@tabler/icons-react'
import { Link } from 'wouter'

import { Page } from './ui/Page'
import { Empty } from './ui/States'

export function NotFoundPage() {
  return (
    <Page title="Nothing is here">
      <Empty
        icon={<IconCompass />}
        title="This page does not exist"
        action={
          <Button component={Link} to="/library">
            To the library
          </Button>
        }
      >
        Perhaps the address has a typing error, or what was here is gone.
      </Empty>
    </Page>
  )
}
