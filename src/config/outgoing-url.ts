import { isLocalHost } from './locality.ts';

/** The one rule for every URL that is called: https, or the host is local. */
export function isSafeToCall({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLocalHost(hostname);
}
