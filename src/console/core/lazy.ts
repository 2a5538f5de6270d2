/** Parts of the page that are loaded when they are needed, by the fixed names that the Worker serves. */
async function part<T>(path: string): Promise<T> {
  return (await import(path)) as T;
}

let carrying: Promise<typeof import('../entries/carry.ts')> | undefined;

/** From a step to the rows that carry it out. */
export function carryPart(): Promise<typeof import('../entries/carry.ts')> {
  carrying ??= part('/carry.js');
  return carrying;
}

/** Sealing keys to the runner. */
export function sealPart(): Promise<typeof import('../entries/seal.ts')> {
  return part('/seal.js');
}

/** QR codes. */
export function qrPart(): Promise<typeof import('../entries/qr.ts')> {
  return part('/qr.js');
}

/** The German words. */
export function germanPart(): Promise<typeof import('../entries/de.ts')> {
  return part('/de.js');
}
