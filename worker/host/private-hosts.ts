/**
 * Which hosts cannot be reached from the public internet (IANA special-purpose registries, RFC 6890 and later).
 */

/** `name` is the multiaddr protocol of the host: `ip4`, `ip6`, `dns`, `dns4`, `dns6`; `value` its text. */
export function isPrivateHost(name: string, value: string): boolean {
  if (name === 'ip4') return isPrivateIp4(value)
  if (name === 'ip6') return isPrivateIp6(value)
  return isPrivateName(value.toLowerCase())
}

function isPrivateIp4(text: string): boolean {
  const [a = 0, b = 0, c = 0] = text.split('.').map(Number)
  if (a === 0 || a === 10 || a === 127 || a >= 224) return true
  if (a === 100) return b >= 64 && b < 128
  if (a === 169) return b === 254
  if (a === 172) return b >= 16 && b < 32
  if (a === 192) return b === 168 || (b === 0 && (c === 0 || c === 2))
  if (a === 198) return b === 18 || b === 19 || (b === 51 && c === 100)
  return a === 203 && b === 0 && c === 113
}

function isPrivateIp6(text: string): boolean {
  const lower = text.toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(lower)
  if (mapped !== null) return isPrivateIp4(mapped[1]!)
  const mappedWords = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(lower)
  if (mappedWords !== null) {
    const [high, low] = [Number.parseInt(mappedWords[1]!, 16), Number.parseInt(mappedWords[2]!, 16)]
    return isPrivateIp4([high >> 8, high & 255, low >> 8, low & 255].join('.'))
  }
  const [first = '', second = ''] = lower.split(':')
  // Only 2000::/3 is handed out for the public internet; `::…` begins with an empty first group.
  const head = first === '' ? 0 : Number.parseInt(first, 16)
  if (head < 0x2000 || head > 0x3fff) return !isTranslated(first, second)
  return head === 0x2001 && second === 'db8'
}

/** 64:ff9b::/96 stands for an IPv4 host behind a NAT64, which may well be reached. */
function isTranslated(first: string, second: string): boolean {
  return first === '64' && second === 'ff9b'
}

function isPrivateName(name: string): boolean {
  const labels = name.split('.')
  const top = labels.at(-1)!
  if (labels.length === 1 || top === 'localhost' || top === 'local' || top === 'internal' || name.endsWith('.home.arpa'))
    return true
  const ip = ipInName(name)
  return ip !== undefined && isPrivateHost(ip.name, ip.value)
}

/** AutoTLS names carry the IP address with dashes: `192-168-1-5.k51….libp2p.direct`. `name` is in lower case. */
export function ipInName(name: string): { readonly name: 'ip4' | 'ip6'; readonly value: string } | undefined {
  if (!name.endsWith('.libp2p.direct')) return undefined
  const label = name.slice(0, name.indexOf('.'))
  if (/^\d+-\d+-\d+-\d+$/.test(label)) return { name: 'ip4', value: label.replaceAll('-', '.') }
  return /^[0-9a-f-]+$/.test(label) ? { name: 'ip6', value: label.replaceAll('-', ':') } : undefined
}
