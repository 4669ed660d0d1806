/**
 * Allow lists: whether an address is one of `203.0.113.7`, `203.0.113.0/24`, `10.0.0.1-10.0.0.9`, `2001:db8::/32`.
 *
 *   A1  An empty list allows everyone.
 *   A2  An entry that cannot be read allows nobody; it never widens the list.
 *   A3  An IPv4 client is the same client when its address arrives as `::ffff:a.b.c.d`.
 */
interface Address {
  readonly width: 32 | 128;
  readonly value: bigint;
}

export function isAddressAllowed(address: string, allowed: readonly string[]): boolean {
  if (allowed.length === 0) return true;
  const client = parseAddress(address);
  return client !== null && allowed.some((entry) => matches(client, entry.trim()));
}

function matches(client: Address, entry: string): boolean {
  const [, network, bits] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  if (network !== undefined) return isInNetwork(client, parseAddress(network), Number(bits));
  const [firstText = '', lastText] = entry.split('-');
  const first = parseAddress(firstText.trim());
  const last = lastText === undefined ? first : parseAddress(lastText.trim());
  if (first === null || last === null || first.width !== client.width || last.width !== client.width) return false;
  return first.value <= client.value && client.value <= last.value;
}

function isInNetwork(client: Address, network: Address | null, bits: number): boolean {
  if (network === null || network.width !== client.width || bits > network.width) return false;
  const hostBits = BigInt(network.width - bits);
  return client.value >> hostBits === network.value >> hostBits;
}

const IPV4_MAPPED = 0xffffn << 32n;

export function parseAddress(text: string): Address | null {
  const [withoutZone = ''] = text.split('%');
  if (!withoutZone.includes(':')) {
    const value = parseIpv4(withoutZone);
    return value === null ? null : { width: 32, value };
  }
  const value = parseIpv6(withoutZone);
  if (value === null) return null;
  return value >> 32n === 0xffffn ? { width: 32, value: value - IPV4_MAPPED } : { width: 128, value };
}

function parseIpv4(text: string): bigint | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1).map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n) : null;
}

function parseIpv6(text: string): bigint | null {
  const halves = withoutDottedTail(text)?.split('::') ?? [];
  if (halves.length === 0 || halves.length > 2) return null;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** `::ffff:1.2.3.4` as `::ffff:102:304`. */
function withoutDottedTail(text: string): string | null {
  const at = text.lastIndexOf(':') + 1;
  if (!text.slice(at).includes('.')) return text;
  const value = parseIpv4(text.slice(at));
  return value === null ? null : `${text.slice(0, at)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}
