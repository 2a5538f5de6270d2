import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** Files of a key and a certificate, as PEM. */
export type Certificate = { key: string; certificate: string };

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}

/** A CA of one's own, in a folder. */
export function makeAuthority(folder: string): Certificate {
  const made = { key: `${folder}/ca.key`, certificate: `${folder}/ca.pem` };
  const subject = ['-subj', '/CN=Private CA', '-days', '30'];
  openssl(['req', '-x509', ...KEY, '-keyout', made.key, '-out', made.certificate, ...subject]);
  return made;
}

/** A server's certificate that the CA signed for `names` (`DNS:…`, `IP:…`). */
export function issue(
  folder: string,
  authority: Certificate,
  { file, names }: { file: string; names: string },
): Certificate {
  const made = { key: `${folder}/${file}.key`, certificate: `${folder}/${file}.pem` };
  const request = `${folder}/${file}.csr`;
  openssl(['req', ...KEY, '-keyout', made.key, '-out', request, '-subj', `/CN=${file}`]);
  writeFileSync(`${folder}/${file}.ext`, `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
  const signer = ['-CA', authority.certificate, '-CAkey', authority.key, '-CAcreateserial'];
  const extensions = ['-days', '30', '-extfile', `${folder}/${file}.ext`];
  openssl(['x509', '-req', '-in', request, ...signer, '-out', made.certificate, ...extensions]);
  return made;
}
