import { createTheme, type NotificationProps, type PopoverProps } from '@mantine/core'

/**
 * The look of Mantine's components. Its colours are variables of theme.css, so MantineProvider makes no styles,
 * because the page's policy forbids styles that scripts write. Components are named and not imported, because the
 * page for signing in needs none of them.
 */
export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: 7,
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } satisfies Partial<NotificationProps> },
    Popover: { defaultProps: { shadow: 'lg', radius: 'lg' } satisfies Partial<PopoverProps> },
  },
})
