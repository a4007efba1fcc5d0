import { startHelia } from './contestant.ts'
import { arrival, begin } from './visit.ts'

const { tuned, ...given } = arrival<{ readonly tuned: boolean }>()
begin(() => startHelia(given, tuned), given.first)
