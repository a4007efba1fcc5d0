import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Serves a fixed set of files from memory on 127.0.0.1, which browsers treat as a secure context. */

export interface Asset {
  readonly type: string
  /** A function is asked at each request, with what stands behind the question mark. */
  readonly body: string | Uint8Array | ((query: URLSearchParams) => string)
  /** Instead of, or beside, those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface PageServer {
  /** Ends with a slash. */
  readonly url: string
  close(): Promise<void>
}

export class PortTakenError extends Error {}

/**
 * Strict on purpose: it shows what a page that uses the package has to allow. The Worker dials `ws` and `wss`, and
 * resolves `/dnsaddr` bootstrap addresses over `https`.
 */
const policy =
  "default-src 'self'; connect-src 'self' ws: wss: https:; img-src 'self' blob: data:; base-uri 'none'; form-action 'self'"

/** Paths begin with a slash; `/` is served from `/index.html`. Port 0 takes any free one. */
export async function serveAssets(assets: ReadonlyMap<string, Asset>, port: number): Promise<PageServer> {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://page')
    answer(response, assets.get(pathname === '/' ? '/index.html' : pathname), searchParams)
  })
  const taken = await listen(server, port)
  return {
    url: `http://127.0.0.1:${taken}/`,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(response: ServerResponse, asset: Asset | undefined, query: URLSearchParams): void {
  if (asset === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('There is no such file.\n')
    return
  }
  const always = { 'content-type': asset.type, 'cache-control': 'no-store', 'content-security-policy': policy }
  response.writeHead(200, { ...always, ...asset.headers })
  response.end(typeof asset.body === 'function' ? asset.body(query) : asset.body)
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') reject(error)
      else
        reject(
          new PortTakenError(
            `Port ${port} cannot be used (${error.code}). Choose another one with --port, or 0 for any free one.`,
          ),
        )
    })
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
