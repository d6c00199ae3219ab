import { cleanup } from '@testing-library/react'
import { afterEach, beforeEach } from 'vitest'

let complaints: unknown[][] = []

beforeEach(() => {
  complaints = []
  console.error = console.warn = (...complaint: unknown[]) => {
    complaints.push(complaint)
  }
})

afterEach(() => {
  cleanup()
  const told = complaints.map((complaint) => complaint.join(' ')).join('\n')
  if (told) throw new Error(`the console has complaints:\n${told}`)
})
