import fc from 'fast-check';
import {
  type BackendMessage,
  MessageReader,
  ProtocolViolation,
  STARTUP_PACKET_SIZE_MAX,
  type WireMessage,
  decodeBackendMessage,
  decodeErrorResponse,
  decodePasswordMessage,
  decodeSaslInitialResponse,
  decodeSaslResponse,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeMessage,
  encodePasswordMessage,
  encodeSaslInitialResponse,
  encodeStartupPacket,
  startupPacketLength,
  tagOf,
} from './index';

const plain = fc.string().map((value) => value.replaceAll('\0', ''));
const named = plain.filter((value) => value !== '');
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => new Uint8Array(value));
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const key = fc.record({ processId: i32, secret: i32 });
const messageOf = (encoded: Uint8Array) => {
  const reader = new MessageReader(1 << 20);
  reader.push(encoded);
  const message = reader.next();
  if (message === undefined) throw new Error('not a whole message');
  expect(reader.bufferedBytes).toBe(0);
  return { tag: message.tag, payload: new Uint8Array(message.payload) };
};

describe('startup packets', () => {
  const packet = fc.oneof(
    fc.constant({ kind: 'tlsRequest' as const }),
    fc.constant({ kind: 'gssEncryptionRequest' as const }),
    key.map((value) => ({ kind: 'cancelRequest' as const, key: value })),
    fc
      .tuple(fc.nat(0xffff), fc.array(fc.tuple(named, plain), { maxLength: 8 }))
      .map(([minor, parameters]) => ({ kind: 'startup' as const, minor, parameters })),
  );

  it('what is encoded is what is decoded', () => {
    fc.assert(fc.property(packet, (value) => expect(decodeStartupPacket(encodeStartupPacket(value))).toEqual(value)));
  });

  it('are the bytes that libpq sends', () => {
    expect([...encodeStartupPacket({ kind: 'tlsRequest' })]).toEqual([0, 0, 0, 8, 4, 210, 22, 47]);
    const cancel = encodeStartupPacket({ kind: 'cancelRequest', key: { processId: 1, secret: -2 } });
    expect([...cancel]).toEqual([0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 255, 255, 255, 254]);
  });

  it('S1: a length is judged by its first four bytes', () => {
    expect(startupPacketLength(Uint8Array.of(0, 0, 0))).toBeUndefined();
    expect(startupPacketLength(Uint8Array.of(0, 0, 0x27, 0x10))).toBe(STARTUP_PACKET_SIZE_MAX);
    for (const first of [[0, 0, 0x27, 0x11], [0, 0, 0, 7], [255, 255, 255, 255], [...Buffer.from('GET ')]])
      expect(() => startupPacketLength(Uint8Array.from(first))).toThrow('invalid length of startup packet');
  });

  it('S2: protocol 2 and unknown request codes are refused with 0A000', () => {
    for (const code of [0x00020000, 0x00040000, (1234 << 16) | 9]) {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(8);
      bytes.writeUInt32BE(code, 4);
      expect(() => decodeStartupPacket(bytes)).toThrow(expect.objectContaining({ sqlState: '0A000' }));
    }
  });

  it('bytes after the terminator are refused', () => {
    const good = encodeStartupPacket({ kind: 'startup', minor: 0, parameters: [['user', 'u']] });
    const bad = Buffer.concat([good, Buffer.from('x')]);
    bad.writeUInt32BE(bad.length);
    expect(() => decodeStartupPacket(bad)).toThrow('expected terminator as last byte');
  });

  it('any bytes give a packet or a ProtocolViolation', () => {
    const framed = fc
      .tuple(fc.constantFrom(0x30000, 80877102, 80877103, 80877104, 7), fc.uint8Array())
      .map(([code, body]) => {
        const head = Buffer.alloc(8);
        head.writeUInt32BE(8 + body.length);
        head.writeUInt32BE(code, 4);
        return Buffer.concat([head, body]);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), framed), (data) => {
        try {
          decodeStartupPacket(data);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation);
        }
      }),
    );
  });
});

describe('backend messages', () => {
  const error = fc.record(
    { severity: named, sqlState: named, message: plain, detail: plain, hint: plain },
    { requiredKeys: ['severity', 'sqlState', 'message'], noNullPrototype: true },
  );
  const message: fc.Arbitrary<Exclude<BackendMessage, { kind: 'other' }>> = fc.oneof(
    fc.constant({ kind: 'authenticationOk' as const }),
    fc.constant({ kind: 'authenticationCleartextPassword' as const }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((salt) => ({ kind: 'authenticationMd5Password' as const, salt })),
    fc.array(named, { maxLength: 3 }).map((mechanisms) => ({ kind: 'authenticationSasl' as const, mechanisms })),
    bytes.map((data) => ({ kind: 'authenticationSaslContinue' as const, data })),
    bytes.map((data) => ({ kind: 'authenticationSaslFinal' as const, data })),
    fc.tuple(plain, plain).map(([name, value]) => ({ kind: 'parameterStatus' as const, name, value })),
    key.map((value) => ({ kind: 'backendKeyData' as const, key: value })),
    fc
      .constantFrom('idle' as const, 'inTransaction' as const, 'failed' as const)
      .map((status) => ({ kind: 'readyForQuery' as const, status })),
    error.map((value) => ({ kind: 'errorResponse' as const, error: value })),
    error.map((value) => ({ kind: 'noticeResponse' as const, notice: value })),
    fc.tuple(fc.nat(9), fc.array(plain, { maxLength: 3 })).map(([minor, unrecognizedOptions]) => ({
      kind: 'negotiateProtocolVersion' as const,
      minor,
      unrecognizedOptions,
    })),
  );

  it('B2: what is encoded is what is decoded', () => {
    fc.assert(
      fc.property(message, (value) =>
        expect(decodeBackendMessage(messageOf(encodeBackendMessage(value)))).toEqual(value),
      ),
    );
  });

  it('B1: any payload of any type gives a message or a ProtocolViolation', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.uint8Array(), (tag, payload) => {
        try {
          decodeBackendMessage({ tag, payload });
        } catch (failure) {
          expect(failure).toBeInstanceOf(ProtocolViolation);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('an error carries severity, SQLSTATE and text where libpq looks for them', () => {
    const { payload } = messageOf(
      encodeBackendMessage({ kind: 'errorResponse', error: { severity: 'FATAL', sqlState: '28P01', message: 'no' } }),
    );
    expect(Buffer.from(payload).toString()).toBe('SFATAL\0VFATAL\0C28P01\0Mno\0\0');
    expect(decodeErrorResponse(payload).message).toBe('no');
  });
});

describe('frontend messages', () => {
  it('what is encoded is what is decoded', () => {
    fc.assert(
      fc.property(plain, named, bytes, (password, mechanism, data) => {
        expect(decodePasswordMessage(messageOf(encodePasswordMessage(password)))).toBe(password);
        expect(decodeSaslInitialResponse(messageOf(encodeSaslInitialResponse({ mechanism, data })))).toEqual({
          mechanism,
          data,
        });
      }),
    );
  });

  it('a message of another type is refused', () => {
    const query = { tag: tagOf('Q'), payload: Buffer.from('select 1\0') };
    for (const decode of [decodePasswordMessage, decodeSaslInitialResponse, decodeSaslResponse])
      expect(() => decode(query)).toThrow(ProtocolViolation);
  });
});

describe('the message reader', () => {
  const messages = fc.array(fc.tuple(fc.constantFrom('R', 'S', 'Z'), bytes), { maxLength: 6 });

  it('R1, R3: however a stream is cut, the same messages come out, and the rest is given back', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), bytes, (sent, cuts, tail) => {
        const stream = Buffer.concat([...sent.map(([letter, payload]) => encodeMessage(letter, payload)), tail]);
        const reader = new MessageReader(64);
        const received: [string, number[]][] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          const chunk = Uint8Array.from(stream.subarray(at, at + size));
          reader.push(chunk);
          chunk.fill(0xff);
          at += size;
          while (received.length < sent.length) {
            const message = reader.next();
            if (message === undefined) break;
            received.push([String.fromCharCode(message.tag), [...message.payload]]);
          }
        }
        expect(received).toEqual(sent.map(([letter, payload]) => [letter, [...payload]]));
        expect([...reader.takeRest()]).toEqual([...tail]);
        expect(reader.bufferedBytes).toBe(0);
      }),
    );
  });

  it('R4: what has been returned stays as it was, and a long message that comes byte by byte costs little', () => {
    const [first, second] = [
      encodeMessage('A', new Uint8Array(300).fill(1)),
      encodeMessage('B', new Uint8Array(9_000).fill(2)),
    ];
    const stream = Buffer.concat([first, second, second, first]);
    const reader = new MessageReader(1 << 20);
    const received: WireMessage[] = [];
    for (const byte of stream) {
      reader.push(Uint8Array.of(byte));
      const message = reader.next();
      if (message !== undefined) received.push(message);
      const memory = (Reflect.get(reader, 'room') as Uint8Array).length;
      if (reader.bufferedBytes > 0) expect(memory).toBeLessThanOrEqual(4 * reader.bufferedBytes);
    }
    expect(received.map(({ payload }) => payload)).toEqual(
      [first, second, second, first].map((each) => each.subarray(5)),
    );
  });

  it('R2: refuses a length below 4 and one above the limit', () => {
    for (const length of [3, -1, 69]) {
      const reader = new MessageReader(64);
      const head = Buffer.from('R0000');
      head.writeInt32BE(length, 1);
      reader.push(head);
      expect(() => reader.next()).toThrow('invalid message length');
    }
  });
});
