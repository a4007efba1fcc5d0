import { spawn } from 'node:child_process'

/** Opens the URL in the visitor's browser where there is somebody to see it; elsewhere the printed URL is all. */
export function openOnDesktop(url: string): void {
  const opener = openerFor(process.platform)
  if (opener === undefined || process.env['CI'] !== undefined || !process.stdout.isTTY) return
  const [command, ...args] = opener
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true })
  // No opener on this machine: the URL has been printed.
  child.on('error', () => undefined)
  child.unref()
}

function openerFor(platform: NodeJS.Platform): readonly [string, ...string[]] | undefined {
  if (platform === 'darwin') return ['open']
  if (platform === 'win32') return ['cmd', '/c', 'start', '']
  const desktop = process.env['DISPLAY'] ?? process.env['WAYLAND_DISPLAY']
  return desktop === undefined || desktop === '' ? undefined : ['xdg-open']
}
