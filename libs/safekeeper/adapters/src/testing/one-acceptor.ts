/** One timeline of one safekeeper with a leader by hand, and WAL to give it: for specs of what is beneath the consensus. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AcceptorMessage, type ProposerMessage, TermHistory } from '@neon/consensus';
import { Lsn, SafekeeperId, SystemId, TenantId, Term, TimelineId } from '@neon/kernel';
import { WalEncoder } from '@neon/postgres';
import { Safekeeper, type SafekeeperIdentity, type SafekeeperSettings, type Timeline } from '@neon/safekeeper-core';
import type { Disk } from '../disk';
import { FileTimelineDirectory } from '../file-timeline-directory';
import { TenantDirectories } from '../tenant-directories';

export const SEGMENT_SIZE = 1024 * 1024;
export const START_LSN = Lsn.parse('0/1000000');
export const SAFEKEEPER = SafekeeperId.of(7);
export const KEY = { tenantId: TenantId.parse('ab'.repeat(16)), timelineId: TimelineId.parse('cd'.repeat(16)) };
export const IDENTITY = {
  ...KEY,
  pgMajor: 17,
  systemId: SystemId.parse('7000000000000000001'),
  walSegmentSize: SEGMENT_SIZE,
};
export const GENERATION = 1;
export const INCARNATION = '0b9c9f6e-58b5-4d0e-9f0e-3f1b8d3f7a11';

export interface MadeWal {
  readonly bytes: Buffer;
  readonly starts: Lsn[];
  readonly ends: Lsn[];
}

/** Records of many sizes: WAL of about `size` bytes, and where its records start and end. */
export function makeWal(startLsn: Lsn, size: number, { seed = 1, prevLsn = Lsn.of(startLsn - 64) } = {}): MadeWal {
  const encoder = new WalEncoder({
    major: 17,
    segmentSize: SEGMENT_SIZE,
    startLsn,
    prevLsn,
    systemId: IDENTITY.systemId,
  });
  const parts: Uint8Array[] = [];
  const starts: Lsn[] = [];
  const ends: Lsn[] = [];
  for (let i = 0; encoder.endLsn - startLsn < size; i++) {
    const main = Buffer.alloc(20 + ((i * 7919 * seed) % 9000), i + seed);
    const { bytes, recordLsn, endLsn } = encoder.append({ rmid: 10, info: 0, main });
    parts.push(bytes);
    starts.push(recordLsn);
    ends.push(endLsn);
  }
  return { bytes: Buffer.concat(parts), starts, ends };
}

/** A leader of one acceptor, by hand. */
export class Leader {
  readonly answers: AcceptorMessage[] = [];
  private session;
  private wake: () => void = () => undefined;

  constructor(
    private readonly timeline: Timeline,
    private readonly term: number,
  ) {
    const take = (answer: AcceptorMessage) => {
      this.answers.push(answer);
      this.wake();
    };
    this.session = timeline.attach({
      send: take,
      refuse: (code, reason) => take({ kind: 'sessionRefused', code, reason }),
    });
  }

  private say(message: ProposerMessage): void {
    this.timeline.receive(this.session, message);
  }

  /** Elected at `startLsn`, whatever the acceptor holds beyond it. */
  async elect(startLsn = this.timeline.state.flushLsn): Promise<void> {
    const base = { membershipGeneration: GENERATION, term: Term.of(this.term) };
    this.say({ kind: 'voteRequest', ...base });
    await this.until((answer) => answer.kind === 'voteResponse');
    const { termHistory: known } = this.timeline.state;
    // One that comes back in its own term has the history that it had.
    const isKnown = TermHistory.last(known).term === base.term;
    const termHistory = isKnown ? known : TermHistory.append(TermHistory.upTo(known, startLsn), base.term, startLsn);
    this.say({ kind: 'electedRequest', ...base, startLsn, termHistory });
    await this.until((answer) => answer.kind === 'appendResponse' && answer.term === base.term);
  }

  append(startLsn: Lsn, bytes: Uint8Array, commitLsn = Lsn.ZERO, truncateLsn = Lsn.ZERO): void {
    const base = { membershipGeneration: GENERATION, term: Term.of(this.term), truncateLsn, commitLsn };
    const size = 100_000;
    for (let at = 0; at < Math.max(1, bytes.length); at += size) {
      const piece = bytes.subarray(at, at + size);
      this.say({ kind: 'appendRequest', ...base, startLsn: Lsn.advance(startLsn, at), bytes: piece });
    }
  }

  /** Asks for its own term, for the first time or, as after a pause, again: then it is not granted, but answered. */
  askVote(): void {
    this.say({ kind: 'voteRequest', membershipGeneration: GENERATION, term: Term.of(this.term) });
  }

  leave(): void {
    this.timeline.detach(this.session);
  }

  /** A heartbeat: everything up to `lsn` is committed, and every safekeeper has it. */
  commit(lsn: Lsn, truncateLsn = lsn): void {
    this.append(lsn, new Uint8Array(0), lsn, truncateLsn);
  }

  flushed = (lsn: Lsn) => this.until((answer) => answer.kind === 'appendResponse' && answer.flushLsn >= lsn);

  async until(condition: (answer: AcceptorMessage) => boolean): Promise<void> {
    while (!this.answers.some(condition)) await new Promise<void>((resolve) => (this.wake = resolve));
  }
}

export interface Started {
  readonly safekeeper: Safekeeper;
  /** What it reported, in order. */
  readonly failures: string[];
  /** The timeline, once it works (again). */
  working(): Promise<Timeline>;
}

/** A safekeeper over a directory; what fails is tried again soon. */
export async function startSafekeeper(
  directory: string,
  options: {
    readonly disk?: Disk;
    readonly settings?: SafekeeperSettings;
    readonly identity?: SafekeeperIdentity;
  } = {},
): Promise<Started> {
  const failures: string[] = [];
  const { identity = { id: SAFEKEEPER, incarnation: INCARNATION } } = options;
  const safekeeper = new Safekeeper(
    identity,
    new FileTimelineDirectory(new TenantDirectories(directory, options.disk), identity.id),
    {
      timelineFailed: (_key, error) => void failures.push(error.message),
      timelineOpened: () => undefined,
      incarnationRefused: (_key, incarnation) => void failures.push(`asked for ${incarnation}`),
      timelineRemoved: () => undefined,
    },
    (_delayMs, run) => void setTimeout(run, 20),
    options.settings,
  );
  await safekeeper.start();
  const working = async (): Promise<Timeline> => {
    for (;;) {
      const timeline = safekeeper.find(KEY);
      if (timeline !== undefined) return timeline;
      await sleep(5);
    }
  };
  return { safekeeper, failures, working };
}

export const createTimeline = (safekeeper: Safekeeper, startLsn = START_LSN): Promise<Timeline> =>
  safekeeper.create({ identity: IDENTITY, membershipGeneration: GENERATION, startLsn, incarnation: INCARNATION });

export const directoryOf = (base: string): string => join(base, KEY.tenantId, KEY.timelineId);

export async function until(condition: () => boolean): Promise<void> {
  for (const startedMs = performance.now(); !condition(); await sleep(5))
    if (performance.now() - startedMs > 60_000) throw new Error(`it did not happen in time: ${condition.toString()}`);
}

/** A candidate that is granted its term, and says no more. */
export function voteFor(timeline: Timeline, term: number): Promise<void> {
  const candidate = new Leader(timeline, term);
  candidate.askVote();
  return candidate.until((answer) => answer.kind === 'voteResponse' && answer.granted);
}

export async function lead(timeline: Timeline, term = 1, startLsn?: Lsn): Promise<Leader> {
  const leader = new Leader(timeline, term);
  await leader.elect(startLsn);
  return leader;
}

/** All of it written by a leader that stays, committed, saved, and held by every safekeeper up to `truncateLsn`. */
export async function leadThrough(timeline: Timeline, wal: MadeWal, truncateLsn?: Lsn): Promise<Leader> {
  const endLsn = wal.ends.at(-1) ?? START_LSN;
  const leader = await lead(timeline, timeline.state.term + 1);
  leader.append(START_LSN, wal.bytes);
  await leader.flushed(endLsn);
  leader.commit(endLsn, truncateLsn);
  await until(() => timeline.state.commitLsn === endLsn);
  timeline.save();
  return leader;
}

export async function readAll(timeline: Timeline, startLsn: Lsn, endLsn: Lsn): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (let lsn = startLsn; lsn < endLsn;) {
    const bytes = await timeline.read(lsn, endLsn);
    parts.push(bytes);
    lsn = Lsn.advance(lsn, bytes.length);
  }
  return Buffer.concat(parts);
}
