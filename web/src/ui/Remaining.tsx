import { Text } from '@mantine/core'

const encoder = new TextEncoder()
const number = new Intl.NumberFormat('en')

/** charactersOf counts characters as the server does: Unicode code points after trimming. */
export const charactersOf = (text: string): number => Array.from(text.trim()).length

/** bytesOf counts bytes as the server does: as UTF-8, untrimmed. */
export const bytesOf = (text: string): number => encoder.encode(text).length

interface RemainingProps {
  used: number
  limit: number
  /** The unit, in the plural. */
  unit: 'characters' | 'bytes'
}

/** Remaining shows how much of a text's limit is left when nine tenths are used, or how much the text is too long. */
export function Remaining({ used, limit, unit }: RemainingProps) {
  if (used < limit * 0.9) return null
  const left = limit - used
  const one = Math.abs(left) === 1 ? unit.slice(0, -1) : unit
  return (
    <Text size="xs" c={left < 0 ? 'var(--mantine-color-error)' : 'dimmed'}>
      {left < 0 ? `${number.format(-left)} ${one} too long.` : `${number.format(left)} ${one} left.`}
    </Text>
  )
}
