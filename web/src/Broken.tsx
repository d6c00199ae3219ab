import { Alert, Button, Center, Stack, Text } from '@mantine/core'

/**
 * Broken replaces the pages if one of them failed or its files could not be loaded, for example because the server
 * was updated. A reload of everything helps.
 */
export function Broken() {
  return (
    <Center mih="100dvh" p="md" component="main">
      <Alert color="red" radius="lg" title="This page could not be shown" role="alert" maw={460}>
        <Stack gap="sm" align="flex-start">
          <Text size="sm">The server may have been updated, or out of reach for a moment. Loading the page again helps then.</Text>
          <Button size="xs" variant="default" onClick={() => window.location.reload()}>
            Load it again
          </Button>
        </Stack>
      </Alert>
    </Center>
  )
}
