/** SCRAM against the published exchange of RFC 7677, against itself, and against hostile messages. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import fc from 'fast-check';
import {
  ProtocolViolation,
  type ScramCrypto,
  beginScramClient,
  beginScramServer,
  continueScramClient,
  finishScramClient,
  finishScramServer,
  formatScramVerifier,
  normalizePassword,
  parseScramVerifier,
  scramKeysOf,
  scramVerifierOf,
} from '../index';
import { clientKeyFromProof, proofOf } from './scram';

const crypto: ScramCrypto = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
};
const text = (value: string) => Buffer.from(value, 'utf8');
const keysFor = (password: string, salt: Uint8Array, iterations: number) =>
  scramKeysOf(crypto, pbkdf2Sync(password, salt, iterations, 32, 'sha256'));

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const ITERATIONS = 4096;
const keys = keysFor('pencil', SALT, ITERATIONS);
const verifier = scramVerifierOf(crypto, keys, { salt: SALT, iterations: ITERATIONS });
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO';
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const CLIENT_FINAL = `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;
const HASH = Buffer.alloc(32, 7);

const begin = (
  clientFirst: string,
  { mechanism = 'SCRAM-SHA-256', certificateHash = null as Uint8Array | null, isDoomed = false } = {},
) =>
  beginScramServer(
    { mechanism, data: text(clientFirst) },
    { verifier, isDoomed, serverNonce: SERVER_NONCE, certificateHash },
  );

describe('the exchange of RFC 7677', () => {
  const { exchange, serverFirst } = begin(`n,,n=user,r=${CLIENT_NONCE}`);

  it('the server asks with its nonce, salt and iterations', () => {
    expect(Buffer.from(serverFirst).toString()).toBe(
      `r=${CLIENT_NONCE}${SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    );
  });

  it('the server accepts the published proof, signs as published, and learns ClientKey', () => {
    const done = finishScramServer(crypto, exchange, text(CLIENT_FINAL));
    expect(Buffer.from(done?.serverFinal ?? []).toString()).toBe('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
    expect(Buffer.from(done?.keys.clientKey ?? [])).toEqual(Buffer.from(keys.clientKey));
  });

  it('V3: a doomed exchange refuses even the right proof', () => {
    const doomed = begin(`n,,n=user,r=${CLIENT_NONCE}`, { isDoomed: true }).exchange;
    expect(finishScramServer(crypto, doomed, text(CLIENT_FINAL))).toBeNull();
  });

  it('V1: a proof for another nonce, another role or another password is not accepted', () => {
    const other = begin(`n,,n=user,r=${CLIENT_NONCE}x`).exchange;
    expect(() => finishScramServer(crypto, other, text(CLIENT_FINAL))).toThrow(ProtocolViolation);
    const wrong = CLIENT_FINAL.replace('dHzb', 'dHzc');
    expect(finishScramServer(crypto, exchange, text(wrong))).toBeNull();
  });
});

describe('channel binding', () => {
  const bound = (header: string, hash: Uint8Array) => Buffer.concat([text(header), hash]).toString('base64');
  const answer = (clientFirst: string, channelBinding: string, mechanism: string) => {
    const { exchange, serverFirst } = begin(clientFirst, { mechanism, certificateHash: HASH });
    const withoutProof = `c=${channelBinding},r=${exchange.nonce}`;
    const bare = clientFirst.slice(clientFirst.indexOf('n=', 1));
    const authMessage = `${bare},${Buffer.from(serverFirst).toString()},${withoutProof}`;
    const proof = Buffer.from(proofOf(crypto, keys.clientKey, authMessage)).toString('base64');
    return finishScramServer(crypto, exchange, text(`${withoutProof},p=${proof}`));
  };
  const HEADER = 'p=tls-server-end-point,,';

  it('a client that bound to our certificate gets in, one that bound to another does not', () => {
    expect(answer(`${HEADER}n=,r=abc`, bound(HEADER, HASH), 'SCRAM-SHA-256-PLUS')).not.toBeNull();
    const elsewhere = bound(HEADER, Buffer.alloc(32, 8));
    expect(() => answer(`${HEADER}n=,r=abc`, elsewhere, 'SCRAM-SHA-256-PLUS')).toThrow('channel binding check failed');
  });

  it('V2: a client that was told there is no binding is refused', () => {
    expect(() => begin('y,,n=,r=abc', { certificateHash: HASH })).toThrow('negotiation error');
    expect(begin('y,,n=,r=abc').exchange.nonce).toBe(`abc${SERVER_NONCE}`);
  });

  it.each([
    ['SCRAM-SHA-256-PLUS', 'n,,n=,r=abc'],
    ['SCRAM-SHA-256-PLUS', 'p=tls-unique,,n=,r=abc'],
    ['SCRAM-SHA-256', `${HEADER}n=,r=abc`],
    ['SCRAM-SHA-512', 'n,,n=,r=abc'],
  ])('%s with %s is refused', (mechanism, clientFirst) => {
    expect(() => begin(clientFirst, { mechanism, certificateHash: HASH })).toThrow(ProtocolViolation);
  });
});

describe('client and server of ours', () => {
  it('understand each other, and the client needs no password', () => {
    const client = beginScramClient(keys, 'clientnonce');
    const server = beginScramServer(
      { mechanism: 'SCRAM-SHA-256', data: client.clientFirst },
      { verifier, isDoomed: false, serverNonce: 'servernonce', certificateHash: null },
    );
    const { clientFinal, serverSignature } = continueScramClient(crypto, client.exchange, server.serverFirst);
    const done = finishScramServer(crypto, server.exchange, clientFinal);
    expect(() => finishScramClient(serverSignature, done?.serverFinal ?? new Uint8Array())).not.toThrow();
  });

  it('C1: the client does not sign for a nonce that is not an extension of its own', () => {
    const { exchange } = beginScramClient(keys, 'mine');
    for (const nonce of ['mine', 'yours', 'min'])
      expect(() => continueScramClient(crypto, exchange, text(`r=${nonce},s=AAAA,i=1`))).toThrow(ProtocolViolation);
  });

  it('C2: the client does not believe a server that signs wrongly or reports an error', () => {
    expect(() => finishScramClient(HASH, text('v=AAAA'))).toThrow(ProtocolViolation);
    expect(() => finishScramClient(HASH, text('e=other-error'))).toThrow('other-error');
  });

  it('K1: whoever sees a right proof and knows StoredKey has ClientKey; a wrong proof gives nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.uint8Array({ minLength: 32, maxLength: 32 }), (authMessage, noise) => {
        const { storedKey } = verifier;
        const proof = proofOf(crypto, keys.clientKey, authMessage);
        expect(clientKeyFromProof(crypto, { storedKey, proof, authMessage })).toEqual(new Uint8Array(keys.clientKey));
        expect(clientKeyFromProof(crypto, { storedKey, proof: noise, authMessage })).toBeNull();
      }),
    );
  });
});

describe('verifiers', () => {
  it("read Postgres' text back and forth", () => {
    const written = formatScramVerifier(verifier);
    expect(written).toMatch(/^SCRAM-SHA-256\$4096:W22ZaJ0SNY7soEsUEjb6gQ==\$.{44}:.{44}$/);
    expect(formatScramVerifier(parseScramVerifier(written) ?? verifier)).toBe(written);
  });

  it.each(['', 'md5abc', 'SCRAM-SHA-256$0:AAAA$x:y', 'SCRAM-SHA-256$4096:AAAA$AAAA:AAAA', 'SCRAM-SHA-256$4096:'])(
    'are not made of %j',
    (value) => expect(parseScramVerifier(value)).toBeNull(),
  );
});

describe('hostile bytes', () => {
  it('any bytes give a message or a ProtocolViolation, on both sides', () => {
    const { exchange } = begin(`n,,n=user,r=${CLIENT_NONCE}`);
    const client = beginScramClient(keys, 'mine').exchange;
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.string().map(text),
      fc
        .array(fc.constantFrom('n,,', 'n=', 'r=', 'c=', 'p=', 'v=', 's=', 'i=1', ',', 'biws', 'AAAA', 'mine'))
        .map((parts) => text(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, (data) => {
        for (const run of [
          () =>
            beginScramServer(
              { mechanism: 'SCRAM-SHA-256', data },
              { verifier, isDoomed: false, serverNonce: 'x', certificateHash: null },
            ),
          () => finishScramServer(crypto, exchange, data),
          () => continueScramClient(crypto, client, data),
          () => finishScramClient(HASH, data),
        ]) {
          try {
            run();
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolViolation);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('passwords', () => {
  it.each([
    ['plain ASCII stays', 'p4ss word!', 'p4ss word!'],
    ['a soft hyphen vanishes', 'I\u00adX', 'IX'],
    ['other spaces become the space', 'a\u00a0b', 'a b'],
    ['compatibility forms are folded', '\u00aa\u2168', 'aIX'],
    ['a prohibited character keeps the whole password raw', '\u0007\u00aa', '\u0007\u00aa'],
    ['mixed directions keep the whole password raw', '\u0627\u00aa1', '\u0627\u00aa1'],
  ])('%s', (_rule, password, expected) => expect(normalizePassword(password)).toBe(expected));
});
