import { Button, Loader } from '@mantine/core'
import { useState } from 'react'

import classes from './ShowMore.module.css'
import { Failure } from './States'

interface ShowMoreProps {
  /** Fetches the next page. It rejects if that fails. */
  more: () => Promise<unknown>
}

/**
 * ShowMore is the button below a list with more pages. If the next page cannot be fetched, it shows why and tries
 * again.
 */
export function ShowMore({ more }: ShowMoreProps) {
  const [loading, setLoading] = useState(false)
  const [error, setError] = useState<unknown>()

  async function show() {
    if (loading) return
    setLoading(true)
    try {
      await more()
      setError(undefined)
    } catch (failed) {
      setError(failed)
    }
    setLoading(false)
  }

  // One button that is never disabled, so that it keeps the focus.
  return (
    <>
      {error !== undefined && !loading && <Failure error={error} title="More could not be loaded" />}
      <Button
        variant="default"
        className={classes.more}
        aria-disabled={loading}
        leftSection={loading && <Loader size={16} color="currentColor" />}
        onClick={() => void show()}
      >
        {error === undefined ? 'Show more' : 'Try again'}
      </Button>
    </>
  )
}
