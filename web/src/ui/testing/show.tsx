import { MantineProvider } from '@mantine/core'
import { render } from '@testing-library/react'
import type { ReactNode } from 'react'
import { vi } from 'vitest'

/** show renders a part of the app for a test. */
export function show(part: ReactNode) {
  // jsdom has no matchMedia, but Mantine calls it.
  vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }))
  return render(part, { wrapper: ({ children }) => <MantineProvider env="test">{children}</MantineProvider> })
}
