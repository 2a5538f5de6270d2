import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { StartError } from '../process/environment.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates of a PEM file.
 * @param name the variable that names the file, for the refusal
 * @throws StartError where the file cannot be read, holds none, or holds a broken one
 */
export function readAuthorities(name: string, path: string): string[] {
  const certificates = readText(name, path).match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate))
    throw new StartError(`${name} wants a PEM file of CA certificates; ${path} is not one`);
  return certificates;
}

function readText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new StartError(`${name} names a file that cannot be read: ${path}`);
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
