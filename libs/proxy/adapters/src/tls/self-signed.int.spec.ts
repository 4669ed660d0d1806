import { X509Certificate, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Corrupt } from '@neon/kernel';
import { loadCertificate } from './certificate';
import { ensureSelfSigned } from './self-signed';

let directory: string;
const inDirectory = (name: string) => join(directory, name);
const read = (name: string) => readFileSync(inDirectory(name), 'utf8');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'neon-proxy-tls-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

it('makes an authority, and a server certificate of it for every name', async () => {
  const { certFile } = await ensureSelfSigned(directory, ['db.example.org']);
  const server = new X509Certificate(readFileSync(certFile));
  const authority = new X509Certificate(read('ca.crt'));
  expect(authority.ca).toBe(true);
  expect(server.ca).toBe(false);
  expect(server.verify(authority.publicKey)).toBe(true);
  for (const name of ['db.example.org', 'ep-a.db.example.org', 'localhost'])
    expect(server.checkHost(name)).toBeDefined();
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(server.checkHost('a.b.db.example.org')).toBeUndefined();
});

it('C3: keys are for their owner alone', async () => {
  await ensureSelfSigned(directory, ['localhost']);
  for (const name of ['ca.key', 'server.key']) expect(statSync(inDirectory(name)).mode & 0o777).toBe(0o600);
});

it('C1, C2: keeps what is current, renews for another name, and never changes the authority', async () => {
  await ensureSelfSigned(directory, ['localhost']);
  const [authority, first] = [read('ca.crt'), read('server.crt')];
  await ensureSelfSigned(directory, ['localhost']);
  expect(read('server.crt')).toBe(first);
  await ensureSelfSigned(directory, ['other.example.org']);
  expect(read('server.crt')).not.toBe(first);
  expect(read('ca.crt')).toBe(authority);
});

it('channel binding hashes the certificate with the hash of its signature', async () => {
  const files = await ensureSelfSigned(directory, ['localhost']);
  const { raw } = new X509Certificate(readFileSync(files.certFile));
  const { endPointHash } = loadCertificate(files);
  expect(Buffer.from(endPointHash ?? [])).toEqual(createHash('sha256').update(raw).digest());
});

it('a certificate that cannot be used is said to be so', () => {
  expect(() => loadCertificate({ certFile: inDirectory('none.crt'), keyFile: inDirectory('none.key') })).toThrow(
    Corrupt,
  );
});
