import { qrPart } from '../core/lazy.ts';
import { usePromise } from '../core/store.ts';

/** A QR code of a text, as a drawing. */
export function QrCode({ text }: { text: string }) {
  const code = usePromise(async () => (await qrPart()).encode(text, { border: 2 }), text);
  if (code === undefined) return <div class="qr" />;
  const path = code.data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')))
    .join('');
  return (
    <svg class="qr" viewBox={`0 0 ${code.size} ${code.size}`} role="img" aria-label="QR">
      <path d={path} fill="#000" shape-rendering="crispEdges" />
    </svg>
  );
}
