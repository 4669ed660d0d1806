/** Who keeps a timeline, over the management API of safekeepers in processes of their own, which are killed. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TIMING, MembershipRecord, Membership, type SettledMembership } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, TimelineId } from '@neon/kernel';
import {
  DIGEST_SIZE_MAX,
  MembershipPosition,
  SafekeeperStatus,
  TimelineDetail,
  WalDigest,
} from '@neon/safekeeper-contract';
import { z } from 'zod';
import { ProposerClient } from './testing/proposer-client';
import { Tap } from './testing/raw-peer';
import { type RealWal, makeRealWal } from './testing/real-wal';
import { SafekeeperProcess, Surroundings } from './testing/safekeeper-process';

const TENANT = TenantId.parse('aa'.repeat(16));
const SEGMENT_SIZE = 16 * 1024 * 1024;
const STATEMENTS = [
  'CREATE TABLE t (id bigserial PRIMARY KEY, filler text)',
  'INSERT INTO t (filler) SELECT repeat(md5(i::text), 8) FROM generate_series(1, 60000) i',
  'UPDATE t SET filler = filler || id WHERE id % 3 = 0',
];
interface Answer {
  readonly status: number;
  readonly body: unknown;
}
const ErrorBody = z.object({ code: z.string() });

describe('safekeepers whose membership changes', () => {
  const root = mkdtempSync(join(tmpdir(), 'safekeeper-membership-'));
  const running = new Map<number, SafekeeperProcess>();
  let surroundings: Surroundings;
  let wal: RealWal;
  let timeline: TimelineId;
  let count = 0;

  beforeAll(async () => {
    surroundings = await Surroundings.start(root);
    wal = await makeRealWal(STATEMENTS);
    expect(wal.bytes.length).toBeGreaterThan(2 * SEGMENT_SIZE);
    await Promise.all([1, 2, 3].map((id) => start(id)));
  });
  afterAll(async () => {
    await Promise.all([...running.values()].map((each) => each.end('SIGTERM')));
    await surroundings.stop();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => {
    timeline = TimelineId.parse((++count).toString(16).padStart(32, '0'));
  });

  const dataDirOf = (id: number): string => join(root, String(id));
  async function start(id: number, env: Record<string, string> = {}): Promise<void> {
    const ports = running.get(id)?.ports;
    const options = { dataDir: dataDirOf(id), env: { NEON_SAFEKEEPER_ID: String(id), ...env } };
    running.set(id, await SafekeeperProcess.start(surroundings, { ...options, ...(ports && { ports }) }));
  }

  type Scope = Parameters<Surroundings['issuer']['issue']>[0];
  async function ask(
    id: number,
    {
      method = 'GET',
      path = '',
      body,
      scope = { scope: 'management' },
    }: {
      method?: string;
      path?: string;
      body?: unknown;
      scope?: Scope;
    },
  ): Promise<Answer> {
    const token = await surroundings.issuer.issue(scope);
    const url = path.startsWith('/v1') ? path : `/v1/tenants/${TENANT}/timelines/${timeline}${path}`;
    const response = await fetch(`http://127.0.0.1:${running.get(id)?.ports.httpPort}${url}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }
  const refusal = async (...args: Parameters<typeof ask>): Promise<[number, string]> => {
    const { status, body } = await ask(...args);
    return [status, ErrorBody.parse(body).code];
  };
  const detail = async (id: number) => TimelineDetail.parse((await ask(id, {})).body);
  const incarnationOf = async (id: number): Promise<string> =>
    SafekeeperStatus.parse((await ask(id, { path: '/v1/status' })).body).incarnation;
  const memberOf = async (id: number) => ({
    safekeeperId: SafekeeperId.of(id),
    incarnation: await incarnationOf(id),
  });
  const settledOf = async (generation: number, ...ids: number[]): Promise<SettledMembership> =>
    Membership.settled(generation, await Promise.all(ids.map(memberOf)));

  async function create(id: number): Promise<void> {
    const { systemId } = wal;
    const body = { pgMajor: 17, systemId, walSegmentSize: SEGMENT_SIZE, startLsn: Lsn.format(wal.startLsn) };
    expect((await ask(id, { method: 'PUT', body: { ...body, incarnation: await incarnationOf(id) } })).status).toBe(
      200,
    );
  }

  function proposer(membership: Membership, ...ids: number[]): Promise<ProposerClient> {
    const identity = {
      tenantId: TENANT,
      timelineId: timeline,
      pgMajor: 17,
      systemId: SystemId.parse(wal.systemId),
      walSegmentSize: SEGMENT_SIZE,
    };
    const safekeepers = ids.map((id) => SafekeeperId.of(id));
    const ports = new Map(safekeepers.map((id) => [id, running.get(id)?.ports.proposerPort ?? 0]));
    return surroundings.issuer
      .issue({ scope: 'timeline', tenantId: TENANT, timelineId: timeline })
      .then((token) => new ProposerClient({ identity, membership, safekeepers, token, timing: DEFAULT_TIMING }, ports));
  }

  /** All of the WAL, on the safekeepers 1 and 2. */
  async function written(): Promise<void> {
    await Promise.all([1, 2].map(create));
    const writer = await proposer(Membership.founding(1), 1, 2);
    await writer.recovered();
    await writer.write(wal.startLsn, wal.bytes);
    await writer.committed(wal.endLsn);
    writer.close();
  }

  const configure = async (id: number, membership: Membership, minTerm = 0) =>
    ask(id, {
      method: 'PUT',
      path: '/membership',
      body: { incarnation: await incarnationOf(id), membership: MembershipRecord.of(membership), minTerm },
    });
  const pull = async (id: number, membership: Membership, from = 1, change = {}) =>
    ask(id, {
      method: 'POST',
      path: '/pull',
      body: {
        incarnation: await incarnationOf(id),
        membership: MembershipRecord.of(membership),
        donor: { ...(await memberOf(from)), host: '127.0.0.1', httpPort: running.get(from)?.ports.httpPort },
        ...change,
      },
    });

  it('a membership that is higher is taken on, durably, with a term; another is told what holds', async () => {
    await create(1);
    const membership = await settledOf(2, 1, 2, 3);
    const taken = MembershipPosition.parse((await configure(1, membership, 7)).body);
    expect(taken).toEqual({
      membership: MembershipRecord.of(membership),
      term: 7,
      lastLogTerm: 0,
      flushLsn: Lsn.format(wal.startLsn),
    });
    await running.get(1)?.end('SIGKILL');
    await start(1);
    expect(await detail(1)).toMatchObject({ membershipGeneration: 2, membership: taken.membership, term: 7 });
    const lower = MembershipPosition.parse((await configure(1, await settledOf(1, 1))).body);
    expect(lower).toEqual(taken);
  });

  it('requests for another disk, for what is not here, and for what is no membership are refused by name', async () => {
    const membership = MembershipRecord.of(await settledOf(2, 1, 2, 3));
    const incarnation = await incarnationOf(1);
    const put = { method: 'PUT', path: '/membership' };
    expect(await refusal(1, { ...put, body: { incarnation, membership } })).toEqual([404, 'TimelineUnknown']);
    await create(1);
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await refusal(1, { ...put, body: { incarnation: other, membership } })).toEqual([409, 'WrongIncarnation']);
    const twice = { generation: 2, members: [membership.members?.[0], membership.members?.[0]] };
    expect(await refusal(1, { ...put, body: { incarnation, membership: twice } })).toEqual([400, 'MalformedRequest']);
    const scope = { scope: 'storage' } as const;
    expect(await refusal(1, { ...put, body: { incarnation, membership }, scope })).toEqual([401, 'Unauthorized']);
    await ask(1, { method: 'DELETE' });
    expect(await refusal(1, { ...put, body: { incarnation, membership } })).toEqual([410, 'TimelineDeleted']);
    expect((await refusal(1, { method: 'POST', path: '/pull', body: {} }))[1]).toBe('MalformedRequest');
  });

  it('a term that is raised deposes the leader', async () => {
    await Promise.all([1, 2].map(create));
    const leader = await proposer(Membership.founding(1), 1, 2);
    await leader.recovered();
    const body = { incarnation: await incarnationOf(1), minTerm: 50 };
    const raised = await ask(1, { method: 'POST', path: '/term', body });
    expect(MembershipPosition.parse(raised.body).term).toBe(50);
    await leader.until(() => leader.deposedBy !== undefined);
    expect(leader.deposedBy).toBe(50);
    leader.close();
  });

  it('WAL by range and its digest are told to other safekeepers, within bounds and the term', async () => {
    await written();
    const { term, flushLsn, startLsn } = await detail(1);
    const scope = { scope: 'storage' } as const;
    const digest = (from: string, to: string, inTerm = term) => `/digest?from=${from}&to=${to}&term=${inTerm}`;
    const [one, two] = await Promise.all([1, 2].map((id) => ask(id, { path: digest(startLsn, flushLsn), scope })));
    expect(WalDigest.parse(one?.body)).toEqual(WalDigest.parse(two?.body));
    expect(await refusal(1, { path: digest(startLsn, flushLsn, term + 1), scope })).toEqual([
      503,
      'StorageUnavailable',
    ]);
    const beyond = Lsn.format(Lsn.advance(Lsn.parse(startLsn), DIGEST_SIZE_MAX + 1));
    expect(await refusal(1, { path: digest(startLsn, beyond), scope })).toEqual([400, 'RangeNotHere']);
    expect(await refusal(1, { path: digest(flushLsn, startLsn), scope })).toEqual([400, 'RangeNotHere']);
    const before = Lsn.format(Lsn.of(Lsn.parse(startLsn) - 1));
    expect(await refusal(1, { path: digest(before, flushLsn), scope })).toEqual([400, 'RangeNotHere']);
    expect(await refusal(1, { path: '/digest?from=x', scope })).toEqual([400, 'MalformedRequest']);
    const mine = { scope: 'timeline', tenantId: TENANT, timelineId: timeline } as const;
    expect(await refusal(1, { path: digest(startLsn, flushLsn), scope: mine })).toEqual([401, 'Unauthorized']);
  });

  it('a copy that is killed again and again is no timeline, goes on where it was, and votes when it is whole', async () => {
    await written();
    const joint = Membership.joint(await settledOf(1, 1, 2), await Promise.all([1, 2, 3].map(memberOf)));
    await Promise.all([1, 2].map((id) => configure(id, joint)));
    const copying = join(dataDirOf(3), TENANT, `${timeline}.copying`);
    for (let segments = 1; segments <= 2; segments++) {
      // It gets no further than to the middle of a segment.
      const donor = await Tap.open(running.get(1)?.ports.httpPort ?? 0, (segments - 0.5) * SEGMENT_SIZE);
      const at = { ...(await memberOf(1)), host: '127.0.0.1', httpPort: donor.port };
      const broken = pull(3, joint, 1, { donor: at }).catch(() => 'killed');
      while (!donor.isHolding) await sleep(10);
      expect(readdirSync(copying).length).toBeGreaterThanOrEqual(segments);
      await running.get(3)?.end('SIGKILL');
      expect(await broken).toBe('killed');
      donor.close();
      await start(3);
      expect(await refusal(3, {})).toEqual([404, 'TimelineUnknown']);
    }
    const { status, body } = await pull(3, joint);
    expect([status, TimelineDetail.parse(body).membership]).toEqual([200, MembershipRecord.of(joint)]);
    const [donor, copy] = await Promise.all([detail(1), detail(3)]);
    for (const field of ['term', 'termHistory', 'flushLsn', 'commitLsn', 'startLsn', 'trimmedLsn'] as const)
      expect([field, copy[field]]).toEqual([field, donor[field]]);
    const path = `/digest?from=${donor.startLsn}&to=${donor.flushLsn}&term=${donor.term}`;
    expect(await ask(3, { path })).toEqual(await ask(1, { path }));
    // The new members alone: one that was copied, and one of two that were there.
    const finished = Membership.finish(joint);
    await Promise.all([2, 3].map((id) => configure(id, finished)));
    const writer = await proposer(finished, 2, 3);
    expect(await writer.recovered()).toBe(wal.endLsn);
    writer.close();
    // The one that was left behind at the former generation is refused by those of the present one, and learns of it.
    const late = await proposer(Membership.settled(1, joint.members), 1, 2);
    await late.recovered();
    expect((await detail(1)).membershipGeneration).toBe(3);
    late.close();
  });

  const removal = async (id: number, membership: Membership, change = {}) => ({
    method: 'POST',
    path: '/removal',
    body: { incarnation: await incarnationOf(id), membership: MembershipRecord.of(membership), ...change },
  });
  const remove = async (id: number, membership: Membership): Promise<number> =>
    (await ask(id, await removal(id, membership))).status;
  const namesIn = (id: number): string[] =>
    readdirSync(join(dataDirOf(id), TENANT)).filter((name) => name.startsWith(timeline));

  it('one that is no member any more removes the timeline for good; a proposer that knows no other is told who followed', async () => {
    await written();
    const former = await settledOf(1, 1, 2);
    const joint = Membership.joint(former, [await memberOf(3)]);
    await Promise.all([1, 2].map((id) => configure(id, joint)));
    expect((await pull(3, joint)).status).toBe(200);
    const finished = Membership.finish(joint);
    await configure(3, finished);
    expect(await Promise.all([1, 2].map((id) => remove(id, finished)))).toEqual([204, 204]);
    expect([1, 2].flatMap(namesIn)).toEqual([`${timeline}.removed`, `${timeline}.removed`]);
    await running.get(1)?.end('SIGKILL');
    await start(1);
    expect(await refusal(1, {})).toEqual([404, 'TimelineUnknown']);
    expect(await refusal(1, await removal(1, former))).toEqual([400, 'MalformedRequest']);
    // Requests from before come late, and it is not made again; one that came late before is harmless.
    const told = { membership: MembershipRecord.of(finished), term: 0, lastLogTerm: 0, flushLsn: '0/0' };
    expect(await configure(1, joint)).toEqual({ status: 200, body: told });
    const [status, code] = await refusal(1, {
      method: 'PUT',
      body: {
        pgMajor: 17,
        systemId: wal.systemId,
        walSegmentSize: SEGMENT_SIZE,
        startLsn: Lsn.format(wal.startLsn),
        incarnation: await incarnationOf(1),
      },
    });
    expect([status, code]).toEqual([409, 'NotAMember']);
    expect(ErrorBody.parse((await pull(1, joint, 3)).body).code).toBe('NotAMember');
    expect(await remove(1, finished)).toBe(204);
    // A compute that has heard of none of it, and of which all safekeepers are gone.
    const late = await proposer(former, 1, 2);
    await late.until(() => late.membership.generation === finished.generation);
    expect(late.membership).toEqual(finished);
    late.close();
    const next = await proposer(finished, 3);
    expect(await next.recovered()).toBe(wal.endLsn);
    next.close();
  });

  it('one that was removed comes back as a member, with the WAL, and takes no late request for the time before', async () => {
    await written();
    const joint = Membership.joint(await settledOf(1, 1, 2), await Promise.all([2, 3].map(memberOf)));
    await Promise.all([1, 2].map((id) => configure(id, joint)));
    expect((await pull(3, joint)).status).toBe(200);
    const without = Membership.finish(joint);
    await Promise.all([2, 3].map((id) => configure(id, without)));
    expect(await remove(1, without)).toBe(204);
    const back = Membership.joint(without, await Promise.all([1, 3].map(memberOf)));
    await Promise.all([2, 3].map((id) => configure(id, back)));
    const put = { incarnation: await incarnationOf(1), membership: MembershipRecord.of(back) };
    expect(await refusal(1, { method: 'PUT', path: '/membership', body: put })).toEqual([404, 'TimelineUnknown']);
    expect((await pull(1, back, 3)).status).toBe(200);
    await running.get(1)?.end('SIGKILL');
    await start(1);
    const [donor, copy] = await Promise.all([detail(3), detail(1)]);
    const path = `/digest?from=${donor.startLsn}&to=${donor.flushLsn}&term=${donor.term}`;
    expect([copy.flushLsn, (await ask(1, { path })).body]).toEqual([donor.flushLsn, (await ask(3, { path })).body]);
    expect(await refusal(1, await removal(1, without))).toEqual([409, 'MembershipSuperseded']);
    const settled = Membership.finish(back);
    await Promise.all([1, 3].map((id) => configure(id, settled)));
    const writer = await proposer(settled, 1, 3);
    expect(await writer.recovered()).toBe(wal.endLsn);
    writer.close();
  });

  it('a removal that is not for this disk, of a joint membership, or without the right to it is refused by name', async () => {
    await written();
    const without = await settledOf(5, 2, 3);
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await refusal(1, await removal(1, without, { incarnation: other }))).toEqual([409, 'WrongIncarnation']);
    const founding = { membership: { generation: 5 } };
    expect(await refusal(1, await removal(1, without, founding))).toEqual([400, 'MalformedRequest']);
    const joint = Membership.joint(await settledOf(4, 1, 2), without.members);
    expect(await refusal(1, await removal(1, joint))).toEqual([400, 'MalformedRequest']);
    const scope = { scope: 'storage' } as const;
    expect(await refusal(1, { ...(await removal(1, without)), scope })).toEqual([401, 'Unauthorized']);
    expect((await detail(1)).membershipGeneration).toBe(1);
  });

  it('a copy from a donor that is another, is away or has nothing fails by name, and leaves no timeline', async () => {
    await written();
    const membership = await settledOf(2, 1, 2, 3);
    const { safekeeperId, incarnation } = await memberOf(1);
    const at = { host: '127.0.0.1', httpPort: running.get(1)?.ports.httpPort };
    const failing = async (donor: object): Promise<[number, string]> => {
      const { status, body } = await pull(3, membership, 1, { donor: { safekeeperId, incarnation, ...at, ...donor } });
      return [status, ErrorBody.parse(body).code];
    };
    expect(await failing({ incarnation: await incarnationOf(2) })).toEqual([409, 'DonorMismatch']);
    expect(await failing({ httpPort: 1 })).toEqual([503, 'StorageUnavailable']);
    timeline = TimelineId.parse('ff'.repeat(16));
    expect(await failing({})).toEqual([503, 'DonorRefused']);
    expect(await refusal(3, {})).toEqual([404, 'TimelineUnknown']);
  });

  it('one that was away when WAL was written takes what is committed from its peers, though no compute runs', async () => {
    await Promise.all([1, 2, 3].map(create));
    await running.get(3)?.end('SIGKILL');
    const writer = await proposer(Membership.founding(1), 1, 2);
    await writer.recovered();
    await writer.write(wal.startLsn, wal.bytes);
    await writer.committed(wal.endLsn);
    const committed = async (id: number): Promise<boolean> => Lsn.parse((await detail(id)).commitLsn) === wal.endLsn;
    // A heartbeat tells it.
    while (!(await committed(1))) await sleep(50);
    writer.close();
    await start(3);
    while (!(await committed(3))) await sleep(200);
    const [peer, late] = await Promise.all([detail(1), detail(3)]);
    expect(late.flushLsn).toBe(peer.flushLsn);
    const path = `/digest?from=${peer.startLsn}&to=${peer.commitLsn}`;
    expect(await ask(3, { path })).toEqual(await ask(1, { path }));
    // It is as good as the others: with one of them it recovers the whole log.
    await running.get(1)?.end('SIGKILL');
    const next = await proposer(Membership.founding(1), 2, 3);
    expect(await next.recovered()).toBe(wal.endLsn);
    next.close();
    await start(1);
  });
});
