import { createTheme, type NotificationProps, type PopoverProps } from '@mantine/core'

/**
 * The look of Mantine's components. Its colours are variables of theme.css: the page forbids styles that scripts write into it, so
 * MantineProvider makes none. Components are named and not imported: the page to sign in needs none of these.
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
