import type { CDPSession, Page } from '@playwright/test'

/** What JavaScript holds after a collection of garbage, in bytes: of a page, and of its one Worker. With buffers, if so asked. */
export interface Heaps {
  readonly page: number
  readonly worker: number
}

export async function watchHeaps(page: Page, withBuffers = false): Promise<() => Promise<Heaps>> {
  const session = await page.context().newCDPSession(page)
  const ofPage = (method: HeapMethod): Promise<unknown> => session.send(method)
  const ofWorker = await workerCommands(session)
  return async () => ({ page: await usedBytes(ofPage, withBuffers), worker: await usedBytes(ofWorker, withBuffers) })
}

type HeapMethod = 'HeapProfiler.collectGarbage' | 'Runtime.getHeapUsage'
type Commands = (method: HeapMethod) => Promise<unknown>

/** Collected twice: what a finalizer lets go of goes with the second. */
async function usedBytes(send: Commands, withBuffers: boolean): Promise<number> {
  await send('HeapProfiler.collectGarbage')
  await send('HeapProfiler.collectGarbage')
  const { usedSize, backingStorageSize } = (await send('Runtime.getHeapUsage')) as Record<string, number>
  return usedSize! + (withBuffers ? backingStorageSize! : 0)
}

/** Playwright has no sessions for Workers: their messages travel in those of the page's. */
async function workerCommands(session: CDPSession): Promise<Commands> {
  const attached = new Promise<string>((resolve) => {
    session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
      if (targetInfo.type === 'worker') resolve(sessionId)
    })
  })
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false })
  const sessionId = await attached
  const waiting = new Map<number, (result: unknown) => void>()
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result } = JSON.parse(message) as { id: number; result: unknown }
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  let next = 1
  return async (method) => {
    const id = next++
    const answered = new Promise<unknown>((resolve) => waiting.set(id, resolve))
    await session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method }) })
    return answered
  }
}
