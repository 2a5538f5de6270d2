import canonicalize from 'canonicalize';
import { isRecord } from './fields.ts';

/**
 * JSON text that is the same for equal values (RFC 8785): keys sorted by UTF-16 code units, no
 * spaces, members that are undefined left out. A device may have written a lone surrogate, which
 * the RFC refuses and which must not stop a comparison: it counts as U+FFFD.
 */
export function canonicalJson(value: unknown): string {
  try {
    return canonicalize(value) ?? 'null';
  } catch {
    return canonicalize(wellFormed(value)) ?? 'null';
  }
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.toWellFormed(), wellFormed(inner)]),
  );
}
