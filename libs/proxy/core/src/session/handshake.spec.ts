/** Handshakes as lists of inputs, and what they ask the shell to do. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import {
  ProtocolViolation,
  type ScramCrypto,
  type StartupPacket,
  beginScramClient,
  beginScramServer,
  continueScramClient,
  decodeBackendMessage,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  encodeBackendMessage,
  encodePasswordMessage,
  encodeSaslInitialResponse,
  encodeSaslResponse,
  finishScramServer,
  formatScramVerifier,
  MessageReader,
  scramKeysOf,
  scramVerifierOf,
} from '@neon/postgres';
import { WAKE_ATTEMPTS_MAX } from '../limits';
import { beginSession, handshake } from './handshake';
import type { Session, SessionEffect, SessionInput, SessionSeed } from './session';

const crypto: ScramCrypto = {
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
};
const ID = 'ep-quiet-lake-12345678';
const SALT = Buffer.alloc(16, 1);
const saltedPassword = pbkdf2Sync('secret', SALT, 4096, 32, 'sha256');
const keys = scramKeysOf(crypto, saltedPassword);
const verifier = scramVerifierOf(crypto, keys, { salt: SALT, iterations: 4096 });
const credentials = {
  projectId: 'p',
  branchId: 'b',
  verifier: formatScramVerifier(verifier) as string | null,
  allowedIps: [] as string[],
};
const compute = { computeId: ID, host: '127.0.0.1', port: 5555, coldStart: true };
const seed: SessionSeed = {
  clientAddress: '203.0.113.7',
  serverNonce: 'server',
  computeNonce: 'proxy',
  cancelSecret: 99,
  isOverLimit: false,
};
const step = handshake({ crypto, domains: ['localhost'], mockSecret: Buffer.alloc(32, 5) });

/** A session with a memory of what it asked for. */
class Scenario {
  session: Session;
  effects: readonly SessionEffect[] = [];
  private clientNonce = beginScramClient(keys, 'client');

  constructor(over: Partial<SessionSeed> = {}) {
    this.session = beginSession({ ...seed, ...over });
  }

  feed(input: SessionInput): this {
    const { session, effects } = step(this.session, input);
    this.session = session;
    this.effects = effects;
    return this;
  }

  packet = (packet: StartupPacket) => this.feed({ kind: 'startupPacket', packet, isFollowed: false });

  tls = (serverName: string | null = `${ID}.localhost`, over: { isDirect?: boolean; alpn?: string | null } = {}) =>
    this.packet({ kind: 'tlsRequest' }).feed({
      kind: 'tlsEstablished',
      channel: { serverName, certificateHash: null, isDirect: false, alpn: null, ...over },
    });

  startup = (parameters: readonly (readonly [string, string])[] = [['user', 'alex']], minor = 0) =>
    this.packet({ kind: 'startup', minor, parameters });

  known = (over: Partial<typeof credentials> = {}) =>
    this.feed({ kind: 'credentials', credentials: { ...credentials, ...over } });

  /** Says to the session what a client with `clientKeys` says. */
  prove(clientKeys = keys): this {
    this.clientNonce = beginScramClient(clientKeys, 'client');
    const data = this.clientNonce.clientFirst;
    this.say(encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', data }));
    const challenge = this.toClient().find(({ kind }) => kind === 'authenticationSaslContinue');
    if (challenge?.kind !== 'authenticationSaslContinue') throw new Error('no challenge');
    return this.say(
      encodeSaslResponse(continueScramClient(crypto, this.clientNonce.exchange, challenge.data).clientFinal),
    );
  }

  say = (bytes: Uint8Array) => this.feed({ kind: 'clientMessage', message: messagesOf(bytes)[0]! });
  computeSays = (message: Parameters<typeof encodeBackendMessage>[0]) =>
    this.feed({ kind: 'computeMessage', message: messagesOf(encodeBackendMessage(message))[0]! });

  /** Answers the session as a compute with the verifier does. */
  logIn(): this {
    this.computeSays({ kind: 'authenticationSasl', mechanisms: ['SCRAM-SHA-256'] });
    const first = decodeSaslInitialResponse(this.toCompute());
    const server = beginScramServer(first, {
      verifier,
      isDoomed: false,
      serverNonce: 'compute',
      certificateHash: null,
    });
    this.computeSays({ kind: 'authenticationSaslContinue', data: server.serverFirst });
    const done = finishScramServer(crypto, server.exchange, decodeSaslResponse(this.toCompute()));
    if (done === null) throw new Error('the compute refused the proof');
    return this.computeSays({ kind: 'authenticationSaslFinal', data: done.serverFinal });
  }

  proved = () => this.tls().startup().known().prove();
  connected = () => this.proved().feed({ kind: 'awake', compute }).feed({ kind: 'computeConnected' });

  toClient = () =>
    this.effects
      .flatMap((effect) => (effect.kind === 'sendToClient' ? messagesOf(effect.bytes) : []))
      .map(decodeBackendMessage);
  toCompute = () =>
    this.effects.flatMap((effect) => (effect.kind === 'sendToCompute' ? messagesOf(effect.bytes) : []))[0]!;
  kinds = () => this.effects.map(({ kind }) => kind);
  error = () => {
    expect(this.session.status).toBe('closed');
    const [message] = this.toClient();
    return message?.kind === 'errorResponse' ? message.error : undefined;
  };
}

function messagesOf(bytes: Uint8Array) {
  const reader = new MessageReader(1 << 20);
  reader.push(bytes);
  const messages = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  return messages;
}

describe('a session, from the first byte to the splice', () => {
  const scenario = new Scenario();

  it('H1: asks for TLS before anything', () => {
    expect(scenario.packet({ kind: 'gssEncryptionRequest' }).effects).toEqual([
      { kind: 'answerEncryption', letter: 'N' },
    ]);
    expect(scenario.tls().session.status).toBe('starting');
  });

  it('H4: asks who may connect, then for proof, and wakes nobody before it has it', () => {
    expect(
      scenario.startup([
        ['user', 'alex'],
        ['options', 'endpoint=' + ID],
      ]).effects,
    ).toEqual([{ kind: 'lookUp', endpointId: ID, role: 'alex' }]);
    expect(scenario.known().toClient()).toEqual([{ kind: 'authenticationSasl', mechanisms: ['SCRAM-SHA-256'] }]);
    expect(scenario.prove().kinds()).toEqual(['sendToClient', 'wake']);
    expect(scenario.toClient()).toMatchObject([{ kind: 'authenticationSaslFinal' }]);
  });

  it('H8: logs in to the compute with the keys of the client', () => {
    expect(scenario.feed({ kind: 'awake', compute }).effects).toEqual([{ kind: 'connectCompute', compute }]);
    expect(scenario.feed({ kind: 'computeConnected' }).kinds()).toEqual(['sendToCompute']);
    expect(scenario.logIn().kinds()).toEqual([]);
  });

  it('H9: passes on what the compute says, with a cancel key of its own, and splices when it is ready', () => {
    expect(scenario.computeSays({ kind: 'authenticationOk' }).toClient()).toEqual([{ kind: 'authenticationOk' }]);
    const status = { kind: 'parameterStatus' as const, name: 'server_version', value: '17.10' };
    expect(scenario.computeSays(status).toClient()).toEqual([status]);
    scenario.computeSays({ kind: 'backendKeyData', key: { processId: 7, secret: 8 } });
    const clientKey = { processId: 7, secret: 99 };
    expect(scenario.effects[0]).toEqual({
      kind: 'registerCancelKey',
      clientKey,
      computeKey: { processId: 7, secret: 8 },
      compute,
    });
    expect(scenario.toClient()).toEqual([{ kind: 'backendKeyData', key: clientKey }]);
    expect(scenario.computeSays({ kind: 'readyForQuery', status: 'idle' }).kinds()).toEqual(['sendToClient', 'splice']);
    expect(scenario.session.status).toBe('open');
  });
});

describe('the way in', () => {
  it('H1: a session in clear is refused', () => {
    expect(new Scenario().startup().error()).toMatchObject({
      sqlState: '28000',
      message: 'connection is insecure (try using `sslmode=require`)',
    });
  });

  it('H2: bytes behind the request for TLS are refused', () => {
    const early = new Scenario().feed({ kind: 'startupPacket', packet: { kind: 'tlsRequest' }, isFollowed: true });
    expect(early.error()?.sqlState).toBe('08P01');
  });

  it('H3: direct TLS goes on with the protocol’s name only', () => {
    const channel = { serverName: null, certificateHash: null, isDirect: true };
    const direct = () => new Scenario().feed({ kind: 'directTls' });
    expect(
      direct()
        .feed({ kind: 'tlsEstablished', channel: { ...channel, alpn: null } })
        .error()?.sqlState,
    ).toBe('08P01');
    expect(direct().feed({ kind: 'tlsEstablished', channel: { ...channel, alpn: 'postgresql' } }).session.status).toBe(
      'starting',
    );
  });

  it.each([true, false])('a cancel request is forwarded, inside TLS: %s', (isInside) => {
    const scenario = isInside ? new Scenario().tls() : new Scenario();
    const key = { processId: 7, secret: 99 };
    expect(scenario.packet({ kind: 'cancelRequest', key }).effects).toEqual([
      { kind: 'forwardCancel', key },
      { kind: 'close' },
    ]);
  });

  it('a newer minor version and protocol extensions are answered, and the session goes on', () => {
    const scenario = new Scenario().tls().startup(
      [
        ['user', 'alex'],
        ['_pq_.x', '1'],
      ],
      2,
    );
    expect(scenario.toClient()).toEqual([
      { kind: 'negotiateProtocolVersion', minor: 0, unrecognizedOptions: ['_pq_.x'] },
    ]);
    expect(scenario.session.status).toBe('lookingUp');
  });

  it.each([
    ['no user', new Scenario().tls().startup([]), '28000'],
    ['no room', new Scenario({ isOverLimit: true }).tls().startup(), '53300'],
    ['a pooled name', new Scenario().tls(`${ID}-pooler.localhost`).startup(), '0A000'],
    [
      'a point in time',
      new Scenario().tls().startup([
        ['user', 'a'],
        ['options', 'neon_lsn:0/1'],
      ]),
      '0A000',
    ],
  ])('%s is refused', (_case, scenario, sqlState) => expect(scenario.error()?.sqlState).toBe(sqlState));
});

describe('authentication', () => {
  it('a wrong password fails with 28P01, and nothing is woken', () => {
    const wrong = scramKeysOf(crypto, pbkdf2Sync('guess', SALT, 4096, 32, 'sha256'));
    const scenario = new Scenario().tls().startup().known().prove(wrong);
    expect(scenario.error()).toMatchObject({
      sqlState: '28P01',
      message: "password authentication failed for user 'alex'",
    });
    expect(scenario.kinds()).not.toContain('wake');
  });

  it('H5: an unknown role sees the same messages as a wrong password, and the same salt each time', () => {
    const challenges = [1, 2].map(() => {
      const scenario = new Scenario().tls().startup().known({ verifier: null });
      expect(scenario.toClient()).toMatchObject([{ kind: 'authenticationSasl' }]);
      const { clientFirst } = beginScramClient(keys, 'client');
      const [challenge] = scenario
        .say(encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', data: clientFirst }))
        .toClient();
      return challenge?.kind === 'authenticationSaslContinue' ? Buffer.from(challenge.data).toString() : '';
    });
    expect(challenges[0]).toMatch(/^r=clientserver,s=.{24},i=4096$/);
    expect(challenges[1]).toBe(challenges[0]);
    expect(new Scenario().tls().startup().known({ verifier: null }).prove().error()?.sqlState).toBe('28P01');
  });

  it('H5: an unknown endpoint is named as such', () => {
    const failure = { kind: 'refused' as const, code: 'EndpointNotFound', message: 'x' };
    expect(new Scenario().tls().startup().feed({ kind: 'lookupFailed', failure }).error()?.message).toContain(
      'could not be found',
    );
  });

  it('H6: an address that is not allowed is refused before the password', () => {
    expect(
      new Scenario()
        .tls()
        .startup()
        .known({ allowedIps: ['10.0.0.0/8'] })
        .error()?.message,
    ).toContain('This IP address 203.0.113.7 is not allowed to connect to this endpoint.');
  });

  it('without an endpoint the password is asked for in clear, and must name one', () => {
    const asked = () => new Scenario().tls(null).startup();
    expect(asked().toClient()).toEqual([{ kind: 'authenticationCleartextPassword' }]);
    expect(asked().say(encodePasswordMessage('secret')).error()?.message).toContain('Endpoint ID is not specified');
    const scenario = asked().say(encodePasswordMessage(`endpoint=${ID};secret`));
    expect(scenario.effects).toEqual([{ kind: 'lookUp', endpointId: ID, role: 'alex' }]);
    const derive = { kind: 'deriveSaltedPassword', password: 'secret', iterations: 4096 };
    expect(scenario.known().effects).toMatchObject([derive]);
    expect(scenario.feed({ kind: 'saltedPassword', saltedPassword }).kinds()).toEqual(['wake']);
  });

  it('a cleartext password that is wrong fails as any other', () => {
    const scenario = new Scenario()
      .tls(null)
      .startup()
      .say(encodePasswordMessage(`endpoint=${ID}$guess`))
      .known();
    expect(scenario.feed({ kind: 'saltedPassword', saltedPassword: Buffer.alloc(32) }).error()?.sqlState).toBe('28P01');
  });
});

describe('waking', () => {
  const refused = (code: string) => ({
    kind: 'wakeFailed' as const,
    failure: { kind: 'refused' as const, code, message: `${code} at 0/1` },
  });
  const unavailable = { kind: 'wakeFailed' as const, failure: { kind: 'unavailable' as const, message: 'no answer' } };

  it('H7: what may pass is tried again, ever later, a bounded number of times', () => {
    const scenario = new Scenario().proved();
    const delays: number[] = [];
    for (let attempt = 1; attempt < WAKE_ATTEMPTS_MAX; attempt++) {
      scenario.feed(attempt % 2 === 0 ? unavailable : refused('QuorumUnavailable'));
      delays.push(...scenario.effects.flatMap((effect) => (effect.kind === 'wake' ? [effect.delayMs] : [])));
    }
    expect(delays).toEqual([100, 160, 256, 410, 655, 1049, 1678, 2684]);
    expect(scenario.feed(unavailable).error()).toMatchObject({
      sqlState: '57P03',
      message: "Couldn't connect to compute node: no answer",
    });
  });

  it('a refusal that will not pass is told at once, with its cause', () => {
    expect(new Scenario().proved().feed(refused('TimelineStopped')).error()?.message).toBe(
      "Couldn't connect to compute node: TimelineStopped at 0/1",
    );
    expect(new Scenario().proved().feed(refused('EndpointDisabled')).error()?.message).toContain('has been disabled');
  });

  it.each([
    [
      'refuses the connection',
      (s: Scenario) =>
        s.proved().feed({ kind: 'awake', compute }).feed({ kind: 'computeLost', reason: 'ECONNREFUSED' }),
    ],
    ['closes it during the log-in', (s: Scenario) => s.connected().feed({ kind: 'computeLost', reason: 'closed' })],
    [
      'is starting up',
      (s: Scenario) =>
        s.connected().computeSays({
          kind: 'errorResponse',
          error: { severity: 'FATAL', sqlState: '57P03', message: 'the database system is starting up' },
        }),
    ],
  ])('H7: a compute that %s is woken again', (_case, run) => {
    const scenario = run(new Scenario());
    expect(scenario.session.status).toBe('waking');
    expect(scenario.kinds()).toEqual(['disconnectCompute', 'wake']);
  });

  it('H9: an error of the compute reaches the client as it is', () => {
    const error = { severity: 'FATAL', sqlState: '3D000', message: 'database "x" does not exist' };
    expect(new Scenario().connected().computeSays({ kind: 'errorResponse', error }).error()).toEqual(error);
    const prepared = new Scenario().connected().computeSays({ kind: 'authenticationOk' });
    expect(prepared.computeSays({ kind: 'errorResponse', error }).error()).toEqual(error);
  });

  it('H7: once the client has seen the compute there is no second try', () => {
    const prepared = new Scenario().connected().computeSays({ kind: 'authenticationOk' });
    expect(prepared.feed({ kind: 'computeLost', reason: 'closed' }).error()?.sqlState).toBe('57P03');
  });

  it('a compute that cannot prove that it knows the verifier is not believed', () => {
    const scenario = new Scenario()
      .connected()
      .computeSays({ kind: 'authenticationSasl', mechanisms: ['SCRAM-SHA-256'] });
    const { serverFirst } = beginScramServer(decodeSaslInitialResponse(scenario.toCompute()), {
      verifier,
      isDoomed: false,
      serverNonce: 'x',
      certificateHash: null,
    });
    scenario.computeSays({ kind: 'authenticationSaslContinue', data: serverFirst });
    expect(
      new Scenario().connected().computeSays({ kind: 'authenticationMd5Password', salt: Buffer.alloc(4) }).session
        .status,
    ).toBe('closed');
    expect(scenario.computeSays({ kind: 'authenticationOk' }).session.status).toBe('closed');
  });
});

describe('in every status', () => {
  const reached: readonly [string, () => Scenario][] = [
    ['negotiating', () => new Scenario()],
    ['encrypting', () => new Scenario().packet({ kind: 'tlsRequest' })],
    ['starting', () => new Scenario().tls()],
    ['askingPassword', () => new Scenario().tls(null).startup()],
    ['lookingUp', () => new Scenario().tls().startup()],
    ['choosingMechanism', () => new Scenario().tls().startup().known()],
    ['waking', () => new Scenario().proved()],
    ['connecting', () => new Scenario().proved().feed({ kind: 'awake', compute })],
    ['loggingIn', () => new Scenario().connected()],
    ['preparing', () => new Scenario().connected().computeSays({ kind: 'authenticationOk' })],
  ];
  const inputs: readonly SessionInput[] = [
    { kind: 'directTls' },
    { kind: 'startupPacket', packet: { kind: 'gssEncryptionRequest' }, isFollowed: true },
    { kind: 'clientMessage', message: { tag: 0, payload: Buffer.from('x') } },
    { kind: 'computeMessage', message: { tag: 82, payload: Buffer.from('x') } },
    { kind: 'computeConnected' },
    { kind: 'computeLost', reason: 'x' },
    { kind: 'credentials', credentials },
    { kind: 'saltedPassword', saltedPassword },
    { kind: 'awake', compute },
    { kind: 'wakeFailed', failure: { kind: 'unavailable', message: 'x' } },
  ];

  it.each(reached)('%s: no input throws', (status, reach) => {
    expect(reach().session.status).toBe(status);
    for (const input of inputs) expect(() => reach().feed(input)).not.toThrow();
  });

  it.each(reached)(
    'H10, H11: %s ends when the client leaves, breaks the protocol or the time is up, and stays ended',
    (_status, reach) => {
      const violation = new ProtocolViolation('nonsense');
      for (const input of [
        { kind: 'clientClosed' },
        { kind: 'timedOut' },
        { kind: 'clientViolation', violation },
      ] as const) {
        const scenario = reach().feed(input);
        expect(scenario.session.status).toBe('closed');
        expect(scenario.kinds().at(-1)).toBe('close');
        for (const late of inputs) expect(scenario.feed(late).effects).toEqual([]);
      }
    },
  );
});
