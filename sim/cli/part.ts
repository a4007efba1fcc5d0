import { experiments } from '../experiments/list.ts'
import { takeOrder } from './side-by-side.ts'

/** The thread of one part of an experiment. */

takeOrder(experiments)
