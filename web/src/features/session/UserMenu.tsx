import { Avatar, Button, Popover, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden } from '@mantine/core'
import type { MantineColorScheme } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react'

import { messageOf } from '../../ui/errors'
import classes from './UserMenu.module.css'
import { useSession, type Viewer } from './use-session'

const schemes: { value: MantineColorScheme; label: string; Icon: typeof IconSun }[] = [
  { value: 'light', label: 'Light', Icon: IconSun },
  { value: 'dark', label: 'Dark', Icon: IconMoon },
  { value: 'auto', label: 'Auto', Icon: IconDeviceDesktop },
]

/** UserMenu shows who is signed in, and has the color scheme and signing out. */
export function UserMenu({ viewer }: { viewer: Viewer }) {
  const { signOut } = useSession()
  // Mantine would stop transitions by a style in the page, which the page's policy forbids.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true })

  return (
    <Popover position="bottom-end" width={260} trapFocus returnFocus>
      <Popover.Target>
        <UnstyledButton className={classes.button}>
          <Avatar name={viewer.user.name} color="teal" radius="xl" size={36} alt="" aria-hidden />
          <VisuallyHidden>Account of {viewer.user.name}</VisuallyHidden>
        </UnstyledButton>
      </Popover.Target>
      <Popover.Dropdown className={classes.menu} aria-label="Account">
        <div>
          <Text fw={650} size="sm" truncate>
            {viewer.user.name}
          </Text>
          <Text c="dimmed" size="xs" truncate>
            {viewer.email}
          </Text>
        </div>
        <div role="group" aria-label="Colours" className={classes.schemes}>
          {schemes.map(({ value, label, Icon }) => (
            <UnstyledButton
              key={value}
              className={classes.scheme}
              aria-pressed={colorScheme === value}
              onClick={() => setColorScheme(value)}
            >
              <Icon size={18} stroke={1.8} aria-hidden />
              {label}
            </UnstyledButton>
          ))}
        </div>
        <Button
          variant="default"
          leftSection={<IconLogout size={18} stroke={1.8} aria-hidden />}
          onClick={() => void signOut().catch(showError)}
        >
          Sign out
        </Button>
      </Popover.Dropdown>
    </Popover>
  )
}

function showError(error: unknown) {
  notifications.show({ color: 'red', title: 'You are still signed in', message: messageOf(error) })
}
