/**
 * The certificate a proxy shows, and what else follows from it.
 *
 * Channel binding (RFC 5929, tls-server-end-point) hashes the certificate with its signature's hash function, SHA-256 in
 * place of MD5 and SHA-1. Signatures without one of their own (Ed25519) leave the binding undefined: it is not offered.
 */
import 'reflect-metadata';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type SecureContext, createSecureContext } from 'node:tls';
import { X509Certificate } from '@peculiar/x509';
import { Corrupt } from '@neon/kernel';

export interface ServerCertificate {
  readonly secureContext: SecureContext;
  readonly endPointHash: Uint8Array | null;
  /** The same on every proxy that has this key, and known to nobody without it. */
  readonly mockSecret: Uint8Array;
}

export interface CertificateFiles {
  /** PEM, the server's certificate first and then its chain. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** @throws Corrupt when the files cannot be read or do not fit together. */
export function loadCertificate({ certFile, keyFile }: CertificateFiles): ServerCertificate {
  try {
    const cert = readFileSync(certFile, 'utf8');
    const key = readFileSync(keyFile);
    return {
      secureContext: createSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
      endPointHash: endPointHashOf(cert),
      mockSecret: createHmac('sha256', key).update('salts of roles that do not exist').digest(),
    };
  } catch (cause) {
    throw new Corrupt(`cannot use TLS certificate ${certFile} with key ${keyFile}: ${String(cause)}`, { cause });
  }
}

const FIRST_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

export function endPointHashOf(pem: string): Uint8Array | null {
  const certificate = new X509Certificate(FIRST_CERTIFICATE.exec(pem)?.[0] ?? pem);
  const algorithm = certificate.signatureAlgorithm;
  if (!('hash' in algorithm)) return null;
  const name = algorithm.hash.name === 'SHA-1' ? 'SHA-256' : algorithm.hash.name;
  return createHash(name.replace('-', '').toLowerCase()).update(Buffer.from(certificate.rawData)).digest();
}
