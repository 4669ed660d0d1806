/** One timeline as its safekeepers and the pageserver report it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import { TimelineDetail as PageserverTimeline } from '@neon/pageserver-contract';
import { DIGEST_SIZE_MAX, TimelineDetail as SafekeeperTimeline, WalDigest } from '@neon/safekeeper-contract';
import { TokenIssuer } from '@neon/service-token';
import type { Installation } from '../../installation';
import { CommandFailure } from '../../progress';
import { objectsDir } from '../../stack/services';
import { computeOf } from '../local-compute';
import { nameOf } from './members';
import { type WalHolder, committedLsn, compareWal, judge } from './storage-state';

const POLL_MS = 200;
const ANSWER_TIMEOUT_MS = 10_000;
const TOKEN_SECONDS = 7 * 24 * 3_600;

/** @throws CommandFailure */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new CommandFailure(`not within ${timeoutMs / 1_000} s: ${what}`);
    await sleep(POLL_MS);
  }
}

interface Holder extends WalHolder {
  readonly segmentSize: number;
  readonly term: number;
  readonly trimmedLsn: Lsn;
}

export class TimelineWatch {
  /** Everything below was compared and found equal. */
  private comparedLsn = Lsn.ZERO;

  private constructor(
    private readonly installation: Installation,
    private readonly tenantId: string,
    private readonly timelineId: string,
    private readonly token: string,
  ) {}

  /** Of a compute that runs. */
  static async of(installation: Installation, endpointId: string): Promise<TimelineWatch> {
    const { tenantId, timelineId } = await computeOf(installation, endpointId);
    const issuer = await TokenIssuer.fromPem(readFileSync(installation.stack.secrets.tokenPrivateKeyFile, 'utf8'));
    const token = await issuer.issue({ scope: 'management' }, TOKEN_SECONDS);
    return new TimelineWatch(installation, tenantId, timelineId, token);
  }

  /** Null when it does not have the timeline. */
  private async get(service: string, httpPort: number, path = ''): Promise<unknown> {
    const { host } = this.installation.stack.placeOf(service);
    const url = `http://${host}:${httpPort}/v1/tenants/${this.tenantId}/timelines/${this.timelineId}${path}`;
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${this.token}` },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (response.status === 404) return null;
    if (!response.ok) throw new CommandFailure(`${service} answers ${response.status}: ${await response.text()}`);
    return response.json();
  }

  /** Of all safekeepers those that have it, former members too, until they have removed it. @throws CommandFailure when a member has not */
  private async holders(members: readonly string[]): Promise<Holder[]> {
    const { ports, safekeepers } = this.installation.stack;
    const answers = await Promise.all(
      safekeepers.map(async (id) => ({
        name: nameOf(id),
        answer: await this.get(nameOf(id), ports[`safekeeper-${id}-http`]),
      })),
    );
    const lacking = answers.filter(({ name, answer }) => answer === null && members.includes(name));
    if (lacking.length > 0) throw new CommandFailure(`${lacking.map(({ name }) => name).join(', ')} has no timeline`);
    return answers.flatMap(({ name, answer }) => (answer === null ? [] : [this.holder(name, answer, members)]));
  }

  private holder(name: string, answer: unknown, members: readonly string[]): Holder {
    const { home } = this.installation;
    const detail = SafekeeperTimeline.parse(answer);
    return {
      name,
      isMember: members.includes(name),
      term: detail.term,
      startLsn: Lsn.parse(detail.startLsn),
      trimmedLsn: Lsn.parse(detail.trimmedLsn),
      flushLsn: Lsn.parse(detail.flushLsn),
      commitLsn: Lsn.parse(detail.commitLsn),
      directory: join(home.directory, 'data', name, this.tenantId, this.timelineId),
      archiveDirectory: join(objectsDir(home), 'wal', this.tenantId, this.timelineId, 'segments'),
      segmentSize: detail.walSegmentSize,
    };
  }

  /** Every member holds, and knows to be committed, what was committed when this was asked. */
  async membersCaughtUp(members: readonly string[], timeoutMs: number): Promise<void> {
    let target: Lsn | undefined;
    await until(
      `each of ${members.join(', ')} has caught up`,
      async () => {
        const holders = await this.holders(members).catch(() => null);
        if (holders === null) return false;
        target ??= committedLsn(holders);
        const due = target;
        return holders.every(({ isMember, flushLsn, commitLsn }) => !isMember || (flushLsn >= due && commitLsn >= due));
      },
      timeoutMs,
    );
  }

  /** Whoever is no member has removed what it had. */
  async othersHaveNothing(members: readonly string[], timeoutMs: number): Promise<void> {
    await until(
      `nobody but ${members.join(', ')} has anything of the timeline`,
      async () => (await this.holders(members).catch(() => null))?.every(({ isMember }) => isMember) ?? false,
      timeoutMs,
    );
  }

  /** While nobody writes. @param blank who can hold nothing (W4) @returns what is wrong */
  async compare(members: readonly string[], blank: readonly string[]): Promise<string[]> {
    const holders = await this.holders(members);
    const segmentSize = holders[0]?.segmentSize ?? 0;
    const { problems } = compareWal(holders, { fromLsn: this.comparedLsn, segmentSize });
    const wrong = [...judge(holders, blank), ...problems, ...(await this.digestsDiffer(holders))];
    if (wrong.length === 0) this.comparedLsn = Lsn.of(Math.min(...holders.map(({ commitLsn }) => commitLsn)));
    return wrong;
  }

  /** Of the end of the committed WAL, as each member tells it; a member that joins is seeded by it. */
  private async digestsDiffer(holders: readonly Holder[]): Promise<string[]> {
    const members = holders.filter(({ isMember }) => isMember);
    const to = Math.min(...members.map(({ commitLsn }) => commitLsn));
    const from = Math.max(
      to - DIGEST_SIZE_MAX,
      ...members.flatMap(({ startLsn, trimmedLsn }) => [startLsn, trimmedLsn]),
    );
    if (from >= to) return [];
    const query = `?from=${Lsn.format(Lsn.of(from))}&to=${Lsn.format(Lsn.of(to))}`;
    const digests = await Promise.all(members.map(({ name }) => this.digest(name, query)));
    return new Set(digests).size === 1 ? [] : [`members tell different digests of ${query}: ${digests.join(', ')}`];
  }

  private async digest(name: string, query: string): Promise<string> {
    const { ports, safekeepers } = this.installation.stack;
    const id = safekeepers.find((each) => nameOf(each) === name);
    if (id === undefined) throw new Error(`no safekeeper ${name}`);
    return WalDigest.parse(await this.get(name, ports[`safekeeper-${id}-http`], `/digest${query}`)).sha256;
  }

  /** By who holds it: its term, and whether it is a member. */
  async terms(members: readonly string[]): Promise<Map<string, { term: number; isMember: boolean }>> {
    return new Map((await this.holders(members)).map(({ name, term, isMember }) => [name, { term, isMember }]));
  }

  /** @throws CommandFailure when it stopped, or does not ingest what is committed */
  async pageserverCaughtUp(members: readonly string[], timeoutMs: number): Promise<void> {
    const committed = committedLsn(await this.holders(members));
    await until(
      `the pageserver has ingested ${Lsn.format(committed)}`,
      async () => {
        const detail = PageserverTimeline.parse(
          await this.get('pageserver', this.installation.stack.ports['pageserver-http']),
        );
        if (detail.state === 'stopped') throw new CommandFailure(`the timeline stopped: ${detail.stopReason ?? ''}`);
        return Lsn.parse(detail.lastRecordLsn) >= committed;
      },
      timeoutMs,
    );
  }
}
