/** A folder of built files. */
export type Files = { fetch(url: string): Promise<Response> };

/** Names and types of what the build writes into dist/mana-console/page; each has a brotli twin. */
const TYPES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'app.js': 'text/javascript; charset=utf-8',
  'app.css': 'text/css; charset=utf-8',
  'carry.js': 'text/javascript; charset=utf-8',
  'check.js': 'text/javascript; charset=utf-8',
  'seal.js': 'text/javascript; charset=utf-8',
  'qr.js': 'text/javascript; charset=utf-8',
  'de.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'manifest.webmanifest': 'application/manifest+json',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'permissions-policy':
    'camera=(), geolocation=(), microphone=(), payment=(), usb=(), publickey-credentials-create=(self), publickey-credentials-get=(self)',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Asked again each time, and answered by 304: what runs is what this build has.
  'cache-control': 'no-cache',
};

/** The pages of the client: any other path is answered by the same page with 404. */
const PAGES = /^\/(?:|inbox|missions(?:\/.*)?|records(?:\/.*)?|grants|audit|settings)$/;

type Kept = { plain: Uint8Array<ArrayBuffer>; brotli: Uint8Array<ArrayBuffer>; etag: string };

/** Serves the built page by fixed names, out of memory once it was read: it is small, and never changes while a process lives. */
export class PageFiles {
  readonly #files: Files;
  readonly #kept = new Map<string, Kept>();

  constructor(files: Files) {
    this.#files = files;
  }

  async answer(request: Request, pathname: string): Promise<Response> {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return new Response(null, { status: 405, headers: { ...HEADERS, allow: 'GET, HEAD' } });
    const name = pathname.slice(1);
    const isFile = name !== 'index.html' && Object.hasOwn(TYPES, name);
    const file = isFile ? name : 'index.html';
    const kept = this.#kept.get(file) ?? (await this.#read(file));
    return answerWith(request, kept, TYPES[file] ?? '', isFile || PAGES.test(pathname) ? 200 : 404);
  }

  async #read(name: string): Promise<Kept> {
    const [plain, brotli] = await Promise.all([this.#bytes(name), this.#bytes(`${name}.br`)]);
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', plain));
    const etag = `"${Array.from(digest.subarray(0, 16), hexOf).join('')}"`;
    const kept = { plain, brotli, etag };
    this.#kept.set(name, kept);
    return kept;
  }

  async #bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#files.fetch(`http://page/${name}`);
    if (!response.ok) throw new Error(`the build has no ${name}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

function answerWith(request: Request, file: Kept, type: string, status: number): Response {
  const takesBrotli = /\bbr\b/.test(request.headers.get('accept-encoding') ?? '');
  // One tag for each form: a cache must not answer with the other one (RFC 9110, section 8.8.3.3).
  const etag = takesBrotli ? file.etag.replace(/"$/, '-br"') : file.etag;
  const headers = {
    ...HEADERS,
    'content-type': type,
    etag,
    vary: 'accept-encoding',
    ...(takesBrotli ? { 'content-encoding': 'br' } : {}),
  };
  if (status === 200 && request.headers.get('if-none-match') === etag)
    return new Response(null, { status: 304, headers: { ...HEADERS, etag } });
  const body = takesBrotli ? file.brotli : file.plain;
  return new Response(request.method === 'HEAD' ? null : body, {
    status,
    headers,
    ...(takesBrotli ? { encodeBody: 'manual' } : {}),
  });
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
