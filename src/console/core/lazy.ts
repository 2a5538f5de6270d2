import type * as Carry from '../entries/carry.ts';
import type * as Check from '../entries/check.ts';
import type * as Seal from '../entries/seal.ts';
import type * as Qr from '../entries/qr.ts';
import type * as German from '../entries/de.ts';

/** Parts of the page that are loaded when they are needed, by the fixed names that the Worker serves. */
async function part<T>(path: string): Promise<T> {
  return (await import(path)) as T;
}

let carrying: Promise<typeof Carry> | undefined;

/** From a step to the rows that carry it out. */
export function carryPart(): Promise<typeof Carry> {
  carrying ??= part('/carry.js');
  return carrying;
}

/** Sealing keys to the runner. */
export function sealPart(): Promise<typeof Seal> {
  return part('/seal.js');
}

/** Checking the audit. */
export function checkPart(): Promise<typeof Check> {
  return part('/check.js');
}

/** QR codes. */
export function qrPart(): Promise<typeof Qr> {
  return part('/qr.js');
}

/** The German words. */
export function germanPart(): Promise<typeof German> {
  return part('/de.js');
}
