import { startHelia } from './contestant.ts'
import { measure, type Task } from './measure.ts'

const { tuned, ...task } = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Task & { readonly tuned: boolean }
Object.assign(globalThis, { measured: measure(() => startHelia(task.bootstrap, tuned), task) })
