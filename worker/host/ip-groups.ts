import { ipInName, isPrivateHost } from './private-hosts.ts'

/**
 * The group of IP addresses a host belongs to, as one number: IPv4 by /16, IPv6 by /32, which is about what one owner
 * gets. `undefined` for private hosts and for names that carry no IP address. Arguments as for `isPrivateHost`.
 */
export function ipGroup(name: string, value: string): number | undefined {
  const ip = name === 'ip4' || name === 'ip6' ? { name, value } : ipInName(value.toLowerCase())
  if (ip === undefined || isPrivateHost(ip.name, ip.value)) return undefined
  const ip4 = ip.name === 'ip4' ? ip.value : embeddedIp4(ip.value)
  if (ip4 !== undefined) {
    const [a = 0, b = 0] = ip4.split('.').map(Number)
    return a * 256 + b
  }
  // A public IPv6 address begins with two written groups, of which the second may be the gap.
  const [first = '', second = ''] = ip.value.split(':')
  return 65_536 + Number.parseInt(first, 16) * 65_536 + (second === '' ? 0 : Number.parseInt(second, 16))
}

/** `::ffff:a.b.c.d`, and 64:ff9b::/96, which stands for an IPv4 host: the last two groups are its address. */
function embeddedIp4(text: string): string | undefined {
  const lower = text.toLowerCase()
  if (!lower.startsWith('::ffff:') && !lower.startsWith('64:ff9b:')) return undefined
  const dotted = /(\d+\.\d+\.\d+\.\d+)$/.exec(lower)
  if (dotted !== null) return dotted[1]
  const high = Number.parseInt(lower.split(':').at(-2) || '0', 16)
  return `${high >> 8}.${high & 255}.0.0`
}
