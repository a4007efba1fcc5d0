/**
 * Counts what blocks this page's main thread for 50 ms or more, from now on. Where the browser does not report long
 * tasks (Firefox, Safari) it says so with `undefined`.
 */
export function watchLongTasks(onChange: (tasks: number) => void): { count: () => number | undefined } {
  let tasks = 0
  if (!PerformanceObserver.supportedEntryTypes.includes('longtask')) return { count: () => undefined }
  const observer = new PerformanceObserver((list) => add(list.getEntries().length))
  const add = (seen: number) => {
    if (seen === 0) return
    tasks += seen
    onChange(tasks)
  }
  observer.observe({ type: 'longtask' })
  return {
    count: () => {
      add(observer.takeRecords().length)
      return tasks
    },
  }
}
