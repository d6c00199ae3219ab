import { act, cleanup, fireEvent, screen } from '@testing-library/react'
import { afterEach, expect, it, vi } from 'vitest'

import { ShowMore } from './ShowMore'
import { show } from './testing/show'

afterEach(cleanup)

it('fetches one page at a time, shows why one failed, and tries again, with the focus in its place', async () => {
  const pages: { resolve: () => void; reject: (error: Error) => void }[] = []
  const more = vi.fn(() => new Promise<void>((resolve, reject) => void pages.push({ resolve, reject })))
  show(<ShowMore more={more} />)
  const button = screen.getByRole('button', { name: 'Show more' })
  button.focus()
  fireEvent.click(button)
  fireEvent.click(button)
  expect(more).toHaveBeenCalledTimes(1)

  await act(() => Promise.resolve(pages[0]?.reject(new TypeError('Failed to fetch'))))
  expect(screen.getByRole('alert').textContent).toContain('The server cannot be reached.')
  expect(screen.getByRole('button', { name: 'Try again' })).toBe(button)
  expect(document.activeElement).toBe(button)

  fireEvent.click(button)
  expect(screen.queryByRole('alert')).toBeNull()
  await act(() => Promise.resolve(pages[1]?.resolve()))
  expect(screen.getByRole('button', { name: 'Show more' })).toBe(button)
  expect(more).toHaveBeenCalledTimes(2)
})
