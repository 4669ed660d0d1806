import fc from 'fast-check';
import {
  type ShimRequest,
  ShimRequestDecoder,
  encodePagesHeader,
  encodeShimError,
  encodeShimRequest,
} from './shim-protocol';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const request: fc.Arbitrary<ShimRequest> = fc.record({
  operation: fc.constantFrom('read' as const, 'prefetch' as const),
  id: u32,
  tablespaceOid: u32,
  databaseOid: u32,
  relationNumber: u32,
  fork: fc.integer({ min: 0, max: 3 }),
  firstBlock: u32,
  blockCount: fc.integer({ min: 1, max: 128 }),
});

describe('the protocol of the page shim', () => {
  test('H1: however the stream is cut, the same requests come out in order', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), fc.array(fc.nat(140)), (requests, cuts) => {
        const stream = Buffer.concat(requests.map(encodeShimRequest));
        const decoder = new ShimRequestDecoder();
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
        const decoded = bounds.slice(1).flatMap((end, index) => decoder.push(stream.subarray(bounds[index], end)));
        expect(decoded).toEqual(requests);
      }),
    );
  });

  test('H2: a request with a foreign size, operation or count is refused', () => {
    const valid = encodeShimRequest({ ...fc.sample(request, 1)[0]!, blockCount: 1 });
    const broken = (write: (bytes: Buffer) => void): Buffer => {
      const bytes = Buffer.from(valid);
      write(bytes);
      return bytes;
    };
    expect(() => new ShimRequestDecoder().push(broken((bytes) => bytes.writeUInt32LE(27, 0)))).toThrow('27 bytes');
    expect(() => new ShimRequestDecoder().push(broken((bytes) => bytes.writeUInt8(9, 4)))).toThrow('operation 9');
    expect(() => new ShimRequestDecoder().push(broken((bytes) => bytes.writeUInt16LE(129, 6)))).toThrow('129 blocks');
    expect(() => new ShimRequestDecoder().push(broken((bytes) => bytes.writeUInt16LE(0, 6)))).toThrow('0 blocks');
  });

  test('an answer is a header of id, status and count, and an error text of bounded length', () => {
    const asked = { ...fc.sample(request, 1)[0]!, id: 7, blockCount: 3 };
    expect([...new Uint32Array(Uint8Array.from(encodePagesHeader(asked)).buffer)]).toEqual([7, 0, 3]);
    const error = encodeShimError(asked, 'x'.repeat(5000));
    expect(error.length).toBe(12 + 1000);
    expect([error.readUInt32LE(0), error.readUInt32LE(4), error.readUInt32LE(8)]).toEqual([7, 1, 1000]);
  });
});
