/**
 * Certificates for an installation that brings none: a certificate authority of its own, made once, and a server
 * certificate signed by it.
 *
 *   C1  `ca.crt` stays what it is: clients have copies of it. Whoever trusts it trusts this installation alone.
 *   C2  The server certificate is renewed at start when it lacks a name or ends within RENEW_BEFORE_MS.
 *   C3  Keys are readable by their owner alone, from the moment the file exists.
 */
import 'reflect-metadata';
import { webcrypto, X509Certificate as NodeCertificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { CertificateFiles } from './certificate';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 24 * 3600 * 1000;
const CA_LIFE_MS = 3650 * DAY_MS;
/** The longest life that Apple's clients accept of a server certificate. */
const SERVER_LIFE_MS = 825 * DAY_MS;
const RENEW_BEFORE_MS = 60 * DAY_MS;
/** Clocks of clients may be behind ours. */
const BACKDATE_MS = DAY_MS;

interface Authority {
  readonly certificate: X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

/**
 * @param directory gets `ca.crt`, `ca.key`, `server.crt`, `server.key`
 * @param domains suffixes of host names: each gets `<domain>` and `*.<domain>`
 */
export async function ensureSelfSigned(directory: string, domains: readonly string[]): Promise<CertificateFiles> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const files = { certFile: join(directory, 'server.crt'), keyFile: join(directory, 'server.key') };
  const names = [
    ...new Set([...domains, 'localhost'].flatMap((domain) => [`*.${domain}`, domain])),
    '127.0.0.1',
    '::1',
  ];
  if (existsSync(files.keyFile) && isCurrent(files.certFile, names)) return files;
  const authority = await ensureAuthority(directory);
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.create({
    ...validity(SERVER_LIFE_MS),
    subject: [{ CN: [domains[0] ?? 'localhost'] }],
    issuer: authority.certificate.subject,
    signingKey: authority.privateKey,
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((value) => (isIP(value) === 0 ? { type: 'dns', value } : { type: 'ip', value })),
      ),
    ],
  });
  await writeKey(files.keyFile, keys.privateKey);
  write(files.certFile, `${certificate.toString('pem')}\n${authority.certificate.toString('pem')}\n`, 0o644);
  return files;
}

function isCurrent(certFile: string, names: readonly string[]): boolean {
  if (!existsSync(certFile)) return false;
  const certificate = new NodeCertificate(readFileSync(certFile));
  const covered = new Set((certificate.subjectAltName ?? '').split(', ').map((name) => name.replace(/^[^:]+:/, '')));
  const isCovered = names.every((name) => name === '::1' || covered.has(name));
  return isCovered && Date.parse(certificate.validTo) - Date.now() > RENEW_BEFORE_MS;
}

async function ensureAuthority(directory: string): Promise<Authority> {
  const certFile = join(directory, 'ca.crt');
  const keyFile = join(directory, 'ca.key');
  if (existsSync(certFile) && existsSync(keyFile)) {
    const [pkcs8] = PemConverter.decode(readFileSync(keyFile, 'utf8'));
    const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8 ?? new ArrayBuffer(0), ALGORITHM, false, [
      'sign',
    ]);
    return { certificate: new X509Certificate(readFileSync(certFile, 'utf8')), privateKey };
  }
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(CA_LIFE_MS),
    name: [{ CN: ['Neon installation CA'] }],
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  await writeKey(keyFile, keys.privateKey);
  write(certFile, `${certificate.toString('pem')}\n`, 0o644);
  return { certificate, privateKey: keys.privateKey };
}

const generateKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

const validity = (lifeMs: number) => ({
  serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'),
  notBefore: new Date(Date.now() - BACKDATE_MS),
  notAfter: new Date(Date.now() + lifeMs - BACKDATE_MS),
});

async function writeKey(file: string, key: webcrypto.CryptoKey): Promise<void> {
  write(file, `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`, 0o600);
}

/** Whole or not at all. */
function write(file: string, text: string, mode: number): void {
  writeFileSync(`${file}.making`, text, { mode });
  chmodSync(`${file}.making`, mode);
  renameSync(`${file}.making`, file);
}
