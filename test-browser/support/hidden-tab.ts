import { chromium } from '@playwright/test'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { chromiumArgs, chromiumPath } from '../../demo/browser.ts'

/** A tab behind another one, whose timers the browser slows down as it does for people. */
export interface HiddenTab {
  /** What the function returns in the tab, which knows nothing but its argument. */
  evaluate<Argument, Result>(work: (given: Argument) => Result | Promise<Result>, given: Argument): Promise<Result>
  close(): Promise<void>
}

/**
 * In a browser of its own, without Playwright: that takes every page for one that is looked at, and switches the slowing down off.
 */
export async function openHiddenTab(url: string): Promise<HiddenTab> {
  const folder = await mkdtemp(join(tmpdir(), 'hidden-tab-'))
  const options = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${folder}`, ...chromiumArgs]
  const browser = spawn(chromiumPath() ?? chromium.executablePath(), [...options, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const { send, hangUp } = await speak(await addressOf(browser))
  const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url })
  const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true })
  const front = await send<{ targetId: string }>('Target.createTarget', { url: 'about:blank' })
  await send('Target.activateTarget', { targetId: front.targetId })
  return {
    async evaluate<Argument, Result>(work: (given: Argument) => Result | Promise<Result>, given: Argument) {
      const expression = `(${work.toString()})(${JSON.stringify(given)})`
      const asked = { expression, awaitPromise: true, returnByValue: true }
      const { result, exceptionDetails } = await send<Evaluated>('Runtime.evaluate', asked, sessionId)
      if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
      return result.value as Result
    },
    close: async () => {
      const ended = once(browser, 'exit')
      await send('Browser.close')
      hangUp()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

interface Evaluated {
  readonly result: { readonly value: unknown }
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } }
}

type Send = <Result>(method: string, params?: object, sessionId?: string) => Promise<Result>

async function addressOf(browser: ChildProcess): Promise<string> {
  if (browser.stderr === null) throw new Error('The browser has no output.')
  for await (const line of createInterface({ input: browser.stderr })) {
    const address = /ws:\/\/\S+/.exec(line)?.[0]
    if (address !== undefined) return address
  }
  throw new Error('The browser ended before it could be spoken to.')
}

async function speak(address: string): Promise<{ send: Send; hangUp: () => void }> {
  const socket = new WebSocket(address)
  await once(socket, 'open')
  const waiting = new Map<number, (answer: { result: unknown; error?: { message: string } }) => void>()
  socket.addEventListener('message', ({ data }) => {
    const answer = JSON.parse(String(data))
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  let next = 1
  const send: Send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = next++
      waiting.set(id, ({ result, error }) => (error === undefined ? resolve(result as never) : reject(new Error(error.message))))
      socket.send(JSON.stringify({ id, method, params, sessionId }))
    })
  return { send, hangUp: () => socket.close() }
}
