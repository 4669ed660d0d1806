import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Corrupt, Lsn, Refusal, Unavailable } from '@neon/kernel';
import { createLogger } from '@neon/telemetry';
import { z } from 'zod';
import { answerError } from './answer-error';
import { identify } from './request-id';
import { wellFormed } from './request-failure';

/** What handles the next request. */
let handle: () => void;
const errors: Record<string, unknown>[] = [];
const logger = Object.assign(createLogger('spec', 'silent'), {
  error: (fields: object, message: string): void => void errors.push({ ...fields, message }),
});
let server: Server;

beforeAll(async () => {
  server = createServer((request, response) => {
    identify(request, response, () => {
      try {
        handle();
      } catch (error) {
        answerError(error, { request, response }, { logger, statusOf: { Gone: 410 } });
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => server.close());
beforeEach(() => errors.splice(0));

async function answerTo(thrown: () => unknown, requestId = 'r-1') {
  handle = () => {
    throw thrown();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const response = await fetch(url, { headers: { 'x-request-id': requestId } });
  const { code, message } = (await response.json()) as { code: string; message: string };
  return { status: response.status, code, message, requestId: response.headers.get('x-neon-ret-request-id') };
}

/** As Nest has them. */
class HttpError extends Error {
  constructor(
    private readonly status: number,
    message: string,
  ) {
    super(message);
  }
  getStatus = (): number => this.status;
}

const thrownBy = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};

describe('an error of a management API', () => {
  test.each([
    ['an LSN that does not parse', () => Lsn.parse('x'), 'not an LSN: "x"'],
    ['an LSN that is out of range', () => Lsn.parse('FFFFFFFF/0'), 'LSN out of range'],
    ['a body that does not fit its schema', () => z.object({ a: z.number() }).parse({}), 'expected number'],
  ])("is the sender's mistake where the request is parsed, and ours anywhere else: %s (HF1)", async (_, parse, why) => {
    const malformed = { status: 400, code: 'MalformedRequest', message: expect.stringContaining(why) };
    expect(await answerTo(() => thrownBy(() => wellFormed<unknown>(parse)))).toMatchObject(malformed);
    expect(errors).toEqual([]);
    const ours = await answerTo(() => thrownBy(parse), 'r-2');
    expect(ours).toMatchObject({ status: 500, code: 'Internal', requestId: 'r-2' });
    expect(ours.message).not.toContain(why);
    expect(errors).toEqual([{ err: expect.any(Error), requestId: 'r-2', message: 'a request failed' }]);
  });

  test('is ours where parsing a request breaks in another way (HF1)', async () => {
    const broken = () => thrownBy(() => wellFormed(() => new Map([[1, 2]]).get(2)!.toFixed()));
    expect(await answerTo(broken)).toMatchObject({ status: 500, code: 'Internal' });
  });

  test('is told with its own words when somebody meant it (HF4)', async () => {
    expect(await answerTo(() => new Refusal('Gone', 'it left'))).toMatchObject({ status: 410, message: 'it left' });
    expect(await answerTo(() => new Refusal('Odd', 'no'))).toMatchObject({ status: 400, code: 'Odd' });
    expect(await answerTo(() => new Unavailable('away'))).toMatchObject({ status: 503, code: 'StorageUnavailable' });
    expect(await answerTo(() => new HttpError(404, 'no such path'))).toMatchObject({ status: 404, code: 'NotFound' });
    expect(await answerTo(() => new HttpError(413, 'too large'))).toMatchObject({
      status: 413,
      code: 'MalformedRequest',
    });
    expect(errors).toEqual([]);
  });

  test('is logged with the name of the request when it is of damage, or of nothing known (HF2, HF3)', async () => {
    expect(await answerTo(() => new Corrupt('layer 7'))).toMatchObject({ status: 500, message: 'layer 7' });
    expect(await answerTo(() => new HttpError(502, 'secret'))).toMatchObject({ status: 500, code: 'Internal' });
    expect(await answerTo(() => 'secret', 'not harmless!')).toMatchObject({
      status: 500,
      message: expect.not.stringContaining('secret'),
      requestId: expect.stringMatching(/^[\w-]{36}$/),
    });
    expect(errors).toHaveLength(3);
  });
});
