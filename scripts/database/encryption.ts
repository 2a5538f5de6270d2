/**
 * How a connection to PostgreSQL is encrypted: what libpq's sslmode means, in what workerd can do.
 */
import type { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  connect as connectTls,
  type ConnectionOptions,
  rootCertificates,
  type TLSSocket,
} from 'node:tls';
import type { DatabaseTarget } from '../../src/config/database-url.ts';
import { StartError } from '../process/environment.ts';

/**
 * `trusted`: PEM certificates that count besides the ones that browsers trust. `serverName`: a name
 * that the server's certificate holds. `pinned`: the certificate alone counts, whoever signed it.
 */
export type Encryption =
  { tls: false } | { tls: true; trusted: readonly string[]; serverName: string; pinned: boolean };

/** SSLRequest (PostgreSQL manual, 54.2.10): length 8, code 80877103. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

const ANSWER_WITHIN_MS = 10_000;

/**
 * Asks the server whether it offers TLS and which certificate it has, and decides by sslmode.
 * workerd verifies whom it speaks to and cannot be told not to, so where sslmode does not ask for a
 * name or a chain the certificate of this moment is pinned.
 * @param authorities PEM certificates of MANA_CA_FILE and sslrootcert
 * @throws StartError where what sslmode asks for cannot be had
 */
export async function negotiateEncryption(
  target: DatabaseTarget,
  authorities: readonly string[],
): Promise<Encryption> {
  if (target.sslMode === 'disable') return { tls: false };
  const socket = await reach(target);
  try {
    if (!(await offersTls(socket))) return withoutTls(target);
    return await decide(target, authorities, socket);
  } finally {
    socket.destroy();
  }
}

function where({ host, port }: DatabaseTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function reach(target: DatabaseTarget): Promise<Socket> {
  const socket = connectTcp({ host: target.host, port: target.port });
  socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error('it did not answer in 10 s')));
  try {
    await new Promise<void>((done, failed) => {
      socket.once('connect', done);
      socket.once('error', failed);
    });
    return socket;
  } catch (error) {
    throw new StartError(`PostgreSQL at ${where(target)} cannot be reached: ${reasonOf(error)}`);
  }
}

/** A refused connection to a name with two addresses is an AggregateError without a message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error instanceof Error ? error.message || error.name : String(error);
}

async function offersTls(socket: Socket): Promise<boolean> {
  socket.write(SSL_REQUEST);
  const answer = await new Promise<Buffer>((done) => {
    socket.once('data', done);
    socket.once('close', () => done(Buffer.alloc(0)));
  });
  return answer.length === 1 && answer.toString('latin1') === 'S';
}

function withoutTls(target: DatabaseTarget): Encryption {
  if (target.sslMode === 'prefer') return { tls: false };
  throw new StartError(
    `PostgreSQL at ${where(target)} offers no TLS, which sslmode=${target.sslMode} asks for; turn ` +
      'it on there, or set sslmode=disable where the way is safe',
  );
}

async function decide(
  target: DatabaseTarget,
  authorities: readonly string[],
  socket: Socket,
): Promise<Encryption> {
  const trusted = [...authorities];
  const { certificate, chainFault } = await presented(target, trusted, socket);
  const named = isIP(target.host)
    ? certificate.checkIP(target.host) !== undefined
    : certificate.checkHost(target.host) !== undefined;
  if (chainFault === null && named)
    return { tls: true, trusted, serverName: target.host, pinned: false };
  const demandsChain =
    target.sslMode === 'verify-ca' || (target.sslMode === 'require' && authorities.length > 0);
  if (target.sslMode === 'verify-full') throw notVerified(target, chainFault);
  if (demandsChain && chainFault !== null) throw notVerified(target, chainFault);
  return pin(target, certificate);
}

function notVerified(target: DatabaseTarget, chainFault: string | null): StartError {
  const fault = chainFault ?? 'it is for another name';
  const remedy =
    chainFault === null
      ? 'connect by a name that it holds, or set sslmode=verify-ca'
      : 'name the CA in MANA_CA_FILE, or pin the certificate by sslmode=require';
  return new StartError(
    `the certificate of PostgreSQL at ${where(target)} does not count (${fault}); ${remedy}`,
  );
}

type Presented = { certificate: X509Certificate; chainFault: string | null };

async function presented(
  target: DatabaseTarget,
  authorities: readonly string[],
  socket: Socket,
): Promise<Presented> {
  const tls = connectTls({ socket, ...verification(target.host, authorities, false) });
  try {
    await new Promise<void>((done, failed) => {
      tls.once('secureConnect', done);
      tls.once('error', failed);
    });
    return presentedBy(tls);
  } catch (error) {
    throw new StartError(`TLS with PostgreSQL at ${where(target)} fails: ${reasonOf(error)}`);
  } finally {
    tls.destroy();
  }
}

function presentedBy(tls: TLSSocket): Presented {
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined) throw new Error('the server shows no certificate');
  return { certificate, chainFault: tls.authorized ? null : faultOf(tls.authorizationError) };
}

/** The platform's types say Error, the platform gives the code as text. */
function faultOf(fault: unknown): string {
  if (typeof fault === 'string') return fault;
  return fault instanceof Error ? fault.message : 'it is not trusted';
}

function verification(
  host: string,
  authorities: readonly string[],
  rejectUnauthorized: boolean,
): ConnectionOptions {
  return {
    ...(isIP(host) ? {} : { servername: host }),
    ...(authorities.length === 0 ? {} : { ca: [...rootCertificates, ...authorities] }),
    // The name is judged apart from the chain.
    checkServerIdentity: () => undefined,
    rejectUnauthorized,
  };
}

/** workerd takes a trusted certificate only under a name that stands in it. */
function pin(target: DatabaseTarget, certificate: X509Certificate): Encryption {
  const serverName = nameIn(certificate);
  const expired = Date.now() > certificate.validToDate.getTime();
  if (serverName !== null && !expired)
    return { tls: true, trusted: [certificate.toString()], serverName, pinned: true };
  if (target.sslMode === 'prefer') return { tls: false };
  const fault = expired ? 'has expired' : 'holds no subjectAltName';
  throw new StartError(
    `the certificate of PostgreSQL at ${where(target)} ${fault}, and workerd takes no such one; ` +
      'make another (openssl req … -addext "subjectAltName=DNS:name")',
  );
}

function nameIn({ subjectAltName }: X509Certificate): string | null {
  const names = (subjectAltName ?? '').split(', ');
  const dns = names.find((name) => name.startsWith('DNS:'))?.slice('DNS:'.length);
  const address = names.find((name) => name.startsWith('IP Address:'))?.slice('IP Address:'.length);
  return dns?.replace(/^\*\./, 'any.') ?? address ?? null;
}

/** The same decision for a driver of Node. */
export function tlsOptions(encryption: Encryption): ConnectionOptions | false {
  if (!encryption.tls) return false;
  const { trusted, serverName, pinned } = encryption;
  return {
    ca: pinned ? [...trusted] : [...rootCertificates, ...trusted],
    ...(isIP(serverName) ? {} : { servername: serverName }),
    // A certificate that somebody else signed counts by itself alone.
    ...(pinned ? { allowPartialTrustChain: true, checkServerIdentity: () => undefined } : {}),
  };
}
