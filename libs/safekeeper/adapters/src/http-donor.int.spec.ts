import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Lsn, Unavailable } from '@neon/kernel';
import type { TimelineDetail } from '@neon/safekeeper-contract';
import { HttpDonor } from './http-donor';
import { IDENTITY, INCARNATION, KEY, START_LSN } from './testing/one-acceptor';

const START = Lsn.format(START_LSN);
const DETAIL: TimelineDetail = {
  ...IDENTITY,
  membershipGeneration: 1,
  membership: { generation: 1 },
  incarnation: INCARNATION,
  term: 1,
  termHistory: [{ term: 0, startLsn: START }],
  startLsn: START,
  flushLsn: START,
  commitLsn: START,
  truncateLsn: START,
  trimmedLsn: START,
  remoteConsistentLsn: '0/0',
  archivedLsn: null,
  offloaded: false,
  trimHeldBy: 'commit',
  walBytes: 0,
  fullness: 0,
  writerConnected: false,
  readers: [],
};

describe('a donor that is asked over HTTP', () => {
  let server: Server;
  let answer: unknown;

  beforeAll(async () => {
    server = createServer((_, response) => response.end(JSON.stringify(answer)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  afterAll(() => server.close());

  const describeDonor = (body: unknown) => {
    answer = body;
    const { port: httpPort } = server.address() as AddressInfo;
    return new HttpDonor(KEY, { safekeeperId: 7, host: '127.0.0.1', httpPort }, 'token').describe();
  };

  test.each([
    ['no answer of a safekeeper', { code: 'x' }],
    ['an LSN that cannot be', { ...DETAIL, commitLsn: 'FFFFFFFF/0' }],
    ['a history that goes back', { ...DETAIL, termHistory: [DETAIL.termHistory[0], DETAIL.termHistory[0]] }],
  ])('is away when it answers what is %s (HD1)', async (_, body) => {
    expect(await describeDonor(DETAIL)).toMatchObject({ flushLsn: START_LSN });
    await expect(describeDonor(body)).rejects.toThrow(Unavailable);
    await expect(describeDonor(body)).rejects.toThrow('safekeeper 7: its answer does not fit the contract');
  });
});
