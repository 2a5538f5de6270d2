export type Locality = 'local' | 'remote';

/** Whether a URL's host stands on this machine or beside it: loopback, private address, a name without dots, .local or .internal. */
export function isLocalHost(hostname: string): boolean {
  const host = hostname.toLowerCase().replace(/\.$/, '');
  if (host.startsWith('[')) return isLocalV6(host.slice(1, -1));
  if (/^\d+(\.\d+){3}$/.test(host)) return isLocalV4(host);
  return host !== '' && (!host.includes('.') || /\.(local|internal|localhost)$/.test(host));
}

/** A model that Ollama merely passes on to its cloud is remote, wherever Ollama itself stands (names end in `-cloud` or `:cloud`). */
export function isCloudModel(model: string): boolean {
  return /[-:]cloud$/i.test(model);
}

/** RFC 1918, loopback, and 0.0.0.0, which connects to this machine. The URL parser has put addresses into four decimal parts. */
function isLocalV4(address: string): boolean {
  const [first = 0, second = 0] = address.split('.').map(Number);
  if (first === 10 || first === 127 || address === '0.0.0.0') return true;
  return (first === 172 && second >= 16 && second <= 31) || (first === 192 && second === 168);
}

/** Loopback, unspecified, unique local (RFC 4193), and IPv4-mapped addresses, which the URL parser writes as two groups of hex. */
function isLocalV6(address: string): boolean {
  if (address === '::1' || address === '::' || /^f[cd][0-9a-f]{2}:/.test(address)) return true;
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return false;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return isLocalV4([high >> 8, high & 255, low >> 8, low & 255].join('.'));
}
