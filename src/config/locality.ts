export type Locality = 'local' | 'remote';

/** Names that no public host has: mDNS (RFC 6762), private use (`.internal`, `.lan`), RFC 8375. */
const LOCAL_NAME = /\.(?:local|internal|localhost|lan|home\.arpa)$/;

/**
 * Whether a URL's host stands on this machine or beside it: loopback, a private or a carrier-grade
 * NAT address, a name without dots or one of the names that no public host has.
 */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, '');
  if (host.startsWith('[')) return isLocalV6(host.slice(1, -1));
  if (/^\d+(\.\d+){3}$/.test(host)) return isLocalV4(host);
  return host !== '' && (!host.includes('.') || LOCAL_NAME.test(host));
}

/**
 * Whether a model's name says that Ollama only passes it on to its cloud, `-cloud` or `:cloud`.
 * Such a model is remote, wherever Ollama itself stands.
 */
export function isCloudModel(model: string): boolean {
  return /[-:]cloud$/i.test(model);
}

/**
 * Loopback, RFC 1918, 100.64.0.0/10 (RFC 6598), and 0.0.0.0, which connects to this machine.
 * The URL parser has put addresses into four decimal parts.
 */
function isLocalV4(address: string): boolean {
  const [first = 0, second = 0] = address.split('.').map(Number);
  if (first === 10 || first === 127 || address === '0.0.0.0') return true;
  if (first === 100) return second >= 64 && second <= 127;
  return (first === 172 && second >= 16 && second <= 31) || (first === 192 && second === 168);
}

/**
 * Loopback, unspecified, unique local (RFC 4193), and IPv4-mapped addresses, which the URL parser
 * writes as two groups of hex.
 */
function isLocalV6(address: string): boolean {
  if (address === '::1' || address === '::' || /^f[cd][0-9a-f]{2}:/.test(address)) return true;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return false;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return isLocalV4([high >> 8, high & 255, low >> 8, low & 255].join('.'));
}

/** This machine's names of itself. */
export const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Whether a host is this machine by its own name, where browsers take http for as good as https.
 */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.includes(hostname) || hostname.endsWith('.localhost');
}
