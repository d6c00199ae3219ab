import { createTheme, type ModalProps, type PopoverProps, type TooltipProps } from '@mantine/core'

/**
 * The look of Mantine's components. Its colours are variables of theme.css: the page forbids styles that scripts
 * write into it, so MantineProvider makes none, and what would write some is turned off here. Components are named and not
 * imported: the page to sign in needs none of these.
 */
export const theme = createTheme({
  primaryColor: 'teal',
  primaryShade: 7,
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Modal: { defaultProps: { lockScroll: false, centered: true, radius: 'lg' } satisfies Partial<ModalProps> },
    Popover: { defaultProps: { shadow: 'lg', radius: 'lg' } satisfies Partial<PopoverProps> },
    Tooltip: {
      defaultProps: { openDelay: 300, events: { hover: true, focus: true, touch: false } } satisfies Partial<TooltipProps>,
    },
  },
})
