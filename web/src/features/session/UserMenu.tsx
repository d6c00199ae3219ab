import { Avatar, Menu, Text, UnstyledButton, useMantineColorScheme, VisuallyHidden, type MantineColorScheme } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { IconDeviceDesktop, IconLogout, IconMoon, IconSun } from '@tabler/icons-react'

import { messageOf } from '../../ui/errors'
import classes from './UserMenu.module.css'
import { useSession, type Viewer } from './use-session'

const schemes: { value: MantineColorScheme; label: string; Icon: typeof IconSun }[] = [
  { value: 'light', label: 'Light', Icon: IconSun },
  { value: 'dark', label: 'Dark', Icon: IconMoon },
  { value: 'auto', label: 'As the system', Icon: IconDeviceDesktop },
]

/** UserMenu is who is signed in, how the page looks, and the way out. */
export function UserMenu({ viewer }: { viewer: Viewer }) {
  const { signOut } = useSession()
  // Mantine would stop transitions by a style in the page, which its policy forbids.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true })

  return (
    <Menu position="bottom-end" width={240} radius="lg" shadow="lg" loop>
      <Menu.Target>
        <UnstyledButton className={classes.button}>
          <Avatar name={viewer.name} color="teal" radius="xl" size={36} alt="" aria-hidden />
          <VisuallyHidden>Account of {viewer.name}</VisuallyHidden>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={classes.who}>
          <Text fw={650} size="sm" truncate>
            {viewer.name}
          </Text>
          <Text c="dimmed" size="xs" truncate>
            {viewer.email}
          </Text>
        </div>
        <Menu.Divider />
        <Menu.Label>Colours</Menu.Label>
        {schemes.map(({ value, label, Icon }) => (
          <Menu.Item
            key={value}
            role="menuitemradio"
            aria-checked={colorScheme === value}
            leftSection={<Icon size={18} stroke={1.8} aria-hidden />}
            className={classes.choice}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={18} stroke={1.8} aria-hidden />} onClick={() => void signOut().catch(told)}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

function told(error: unknown) {
  notifications.show({ color: 'red', title: 'You are still signed in', message: messageOf(error) })
}
