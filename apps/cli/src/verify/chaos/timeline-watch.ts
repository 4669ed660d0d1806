/** One timeline as its safekeepers and the pageserver report it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import { TimelineDetail as PageserverTimeline } from '@neon/pageserver-contract';
import { TimelineDetail as SafekeeperTimeline } from '@neon/safekeeper-contract';
import { TokenIssuer } from '@neon/service-token';
import type { Installation } from '../../installation';
import { CommandFailure } from '../../progress';
import { objectsDir } from '../../stack/services';
import { computeOf } from '../local-compute';
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

  private async get(service: string, httpPort: number): Promise<unknown> {
    const { host } = this.installation.stack.placeOf(service);
    const url = `http://${host}:${httpPort}/v1/tenants/${this.tenantId}/timelines/${this.timelineId}`;
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${this.token}` },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (!response.ok) throw new CommandFailure(`${service} answers ${response.status}: ${await response.text()}`);
    return response.json();
  }

  private async holders(): Promise<(WalHolder & { segmentSize: number })[]> {
    const { ports, safekeepers } = this.installation.stack;
    return Promise.all(
      safekeepers.map(async (id) => {
        const name = `safekeeper-${id}` as const;
        const detail = SafekeeperTimeline.parse(await this.get(name, ports[`${name}-http`]));
        return {
          name,
          startLsn: Lsn.parse(detail.startLsn),
          flushLsn: Lsn.parse(detail.flushLsn),
          commitLsn: Lsn.parse(detail.commitLsn),
          directory: join(this.installation.home.directory, 'data', name, this.tenantId, this.timelineId),
          archiveDirectory: join(objectsDir(this.installation.home), 'wal', this.tenantId, this.timelineId, 'segments'),
          segmentSize: detail.walSegmentSize,
        };
      }),
    );
  }

  /** While a compute runs: every safekeeper holds what was committed when this was asked. */
  async safekeepersCaughtUp(timeoutMs: number): Promise<void> {
    let target: Lsn | undefined;
    await until(
      'every safekeeper has caught up',
      async () => {
        const holders = await this.holders().catch(() => null);
        if (holders === null) return false;
        target ??= committedLsn(holders);
        const due = target;
        return holders.every(({ flushLsn }) => flushLsn >= due);
      },
      timeoutMs,
    );
  }

  /** While nobody writes. @returns what is wrong */
  async compare(): Promise<string[]> {
    const holders = await this.holders();
    const segmentSize = holders[0]?.segmentSize ?? 0;
    const { problems } = compareWal(holders, { fromLsn: this.comparedLsn, segmentSize });
    const wrong = [...judge(holders), ...problems];
    if (wrong.length === 0) this.comparedLsn = Lsn.of(Math.min(...holders.map(({ commitLsn }) => commitLsn)));
    return wrong;
  }

  /** @throws CommandFailure when it stopped, or does not ingest what is committed */
  async pageserverCaughtUp(timeoutMs: number): Promise<void> {
    const committed = committedLsn(await this.holders());
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
