/** edwards25519 by its definition (RFC 8032, section 5.1), to find the points of small order without a list from elsewhere. */

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * inverse(121666n));

/** Affine. */
type Point = { x: bigint; y: bigint };
/** Homogeneous: x = X / Z, y = Y / Z; so that adding needs no inverse. */
type Homogeneous = { X: bigint; Y: bigint; Z: bigint };

/** Hex of all 32-byte texts that a lenient reader takes for a point whose order divides 8; also with y not reduced, and x = 0 "negative". */
export function smallOrderEncodings(): string[] {
  const forms = smallOrderPoints().flatMap(({ x, y }) =>
    (y + P < 2n ** 255n ? [y, y + P] : [y]).map((form) => ({ x, y: form })),
  );
  const encodings = forms.flatMap(({ x, y }) =>
    x === 0n ? [encode(0n, y), encode(1n, y)] : [encode(x, y)],
  );
  return Array.from(new Set(encodings)).toSorted();
}

/** L times any point has an order that divides 8; the multiples of one of order 8 are all there are. */
function smallOrderPoints(): Point[] {
  for (let y = 2n; ; y += 1n) {
    const [x] = xOf(y);
    if (x === undefined) continue;
    const torsion = times(L, { X: x, Y: y, Z: 1n });
    const points = Array.from({ length: 8 }, (_, factor) => affine(times(BigInt(factor), torsion)));
    if (new Set(points.map((point) => point.x * P + point.y)).size === 8) return points;
  }
}

function encode(x: bigint, y: bigint): string {
  const bigEndian = Buffer.from((y | ((x & 1n) << 255n)).toString(16).padStart(64, '0'), 'hex');
  return Buffer.from(bigEndian.toReversed()).toString('hex');
}

function affine({ X, Y, Z }: Homogeneous): Point {
  return { x: mod(X * inverse(Z)), y: mod(Y * inverse(Z)) };
}

/** Both x of a y, or none: x^2 = (y^2 - 1) / (d y^2 + 1). */
function xOf(y: bigint): bigint[] {
  const square = mod((y * y - 1n) * inverse(D * y * y + 1n));
  const candidate = power(square, (P + 3n) / 8n);
  const root = [candidate, mod(candidate * power(2n, (P - 1n) / 4n))].find(
    (x) => mod(x * x) === square,
  );
  return root === undefined ? [] : [root, mod(-root)];
}

function add(a: Homogeneous, b: Homogeneous): Homogeneous {
  const z = mod(a.Z * b.Z);
  const [x, y] = [mod(a.X * b.X), mod(a.Y * b.Y)];
  const e = mod(D * x * y);
  const [f, g] = [mod(z * z - e), mod(z * z + e)];
  return {
    X: mod(z * f * ((a.X + a.Y) * (b.X + b.Y) - x - y)),
    Y: mod(z * g * (y + x)),
    Z: mod(f * g),
  };
}

function times(factor: bigint, point: Homogeneous): Homogeneous {
  let [sum, doubled]: [Homogeneous, Homogeneous] = [{ X: 0n, Y: 1n, Z: 1n }, point];
  for (let rest = factor; rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = add(sum, doubled);
    doubled = add(doubled, doubled);
  }
  return sum;
}

function inverse(number: bigint): bigint {
  return power(mod(number), P - 2n);
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, mod(base)];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square);
    square = mod(square * square);
  }
  return result;
}

function mod(number: bigint): bigint {
  const rest = number % P;
  return rest < 0n ? rest + P : rest;
}
