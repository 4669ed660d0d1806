/**
 * The proposer between three toy safekeepers, message by message, without time but for ticks. What the third one answers may
 * be changed on its way: then it lies.
 *
 *   TC1  A run is a function of `lie` and the seed, by which each safekeeper is slow at times (without one, never); it ends after ROUNDS rounds.
 */
import {
  DEFAULT_TIMING,
  FRAME_SIZE_MAX,
  Membership,
  Proposer,
  type ProposerEffect,
  type ProposerInput,
  type ProposerState,
  type SessionId,
  decodeAcceptorMessage,
  decodeProposerMessage,
  encodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { ByteReadError, FrameDecoder, Lsn, SafekeeperId, assert, unreachable } from '@neon/kernel';
import { SeededRandom } from '../seeded-random';
import { GENERATION, IDENTITY, START_LSN, ToySafekeeper } from './toy-safekeeper';

const IDS = [1, 2, 3].map((id) => SafekeeperId.of(id));
export const LIAR = SafekeeperId.of(3);
const ROUNDS = 1_500;
const WAL_SIZES = [100, 8, 5_000, 140_000, 300, 8, 64];

interface Link {
  readonly safekeeper: ToySafekeeper;
  session: SessionId;
  isConnected: boolean;
  slowRounds: number;
  decoder: FrameDecoder;
  toSafekeeper: Uint8Array[];
  toProposer: Uint8Array[];
}

/** Bytes instead of an answer; the number counts them. */
export type Lie = (answer: Uint8Array, index: number) => Uint8Array;

export interface ToyRun {
  /** Each side of the third safekeeper's conversation, before any lie. */
  readonly asked: readonly Uint8Array[];
  readonly answered: readonly Uint8Array[];
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly isDeposed: boolean;
}

export function runToyCompute(lie: Lie, seed?: number): ToyRun {
  return new ToyCompute(lie, seed === undefined ? undefined : new SeededRandom(seed)).run();
}

class ToyCompute {
  private state: ProposerState;
  private readonly links: Map<SafekeeperId, Link>;
  private readonly inputs: ProposerInput[] = [];
  private readonly asked: Uint8Array[] = [];
  private readonly answered: Uint8Array[] = [];
  private readonly wal: Buffer;
  private lastSession = 0;
  private startLsn: Lsn | undefined;
  private givenLsn = Lsn.ZERO;
  private commitLsn = Lsn.ZERO;
  private isDeposed = false;
  private readonly sizes = [...WAL_SIZES];

  constructor(
    private readonly lie: Lie,
    private readonly random: SeededRandom | undefined,
  ) {
    this.wal = Buffer.alloc(WAL_SIZES.reduce((sum, size) => sum + size, 0));
    for (let at = 0; at < this.wal.length; at++) this.wal[at] = (at * 31 + (at >> 8)) & 0xff;
    this.state = Proposer.create({
      identity: IDENTITY,
      membership: Membership.founding(GENERATION),
      safekeepers: IDS,
      token: 'the secret of the timeline',
      timing: DEFAULT_TIMING,
    });
    this.links = new Map(IDS.map((id) => [id, this.newLink(new ToySafekeeper(id))]));
  }

  private newLink(safekeeper: ToySafekeeper): Link {
    const decoder = new FrameDecoder(FRAME_SIZE_MAX);
    return { safekeeper, session: 0, isConnected: false, slowRounds: 0, decoder, toSafekeeper: [], toProposer: [] };
  }

  run(): ToyRun {
    for (let round = 0; round < ROUNDS && !this.isDone(); round++) {
      for (const [id, link] of this.links) if (!this.isSlow(link)) this.exchange(id, link);
      this.giveWal();
      this.take({ kind: 'tick', random: 0.5 });
    }
    const { asked, answered, commitLsn, isDeposed } = this;
    return { asked, answered, commitLsn, endLsn: this.givenLsn, isDeposed };
  }

  private isSlow(link: Link): boolean {
    if (this.random === undefined) return false;
    if (link.slowRounds === 0 && this.random.chance(0.1)) link.slowRounds = this.random.pick([1, 3, 20]);
    if (link.slowRounds === 0) return false;
    link.slowRounds--;
    return true;
  }

  private isDone(): boolean {
    return this.isDeposed || (this.sizes.length === 0 && this.commitLsn === this.givenLsn);
  }

  private giveWal(): void {
    if (this.startLsn === undefined || this.commitLsn < this.startLsn || !Proposer.wantsWal(this.state)) return;
    const size = this.sizes.shift();
    if (size === undefined) return;
    const startLsn = this.givenLsn === Lsn.ZERO ? this.startLsn : this.givenLsn;
    const offset = startLsn - this.startLsn;
    this.givenLsn = Lsn.advance(startLsn, size);
    this.take({ kind: 'walAvailable', startLsn, bytes: this.wal.subarray(offset, offset + size) });
  }

  private exchange(id: SafekeeperId, link: Link): void {
    if (!link.isConnected) {
      link.isConnected = true;
      link.session = ++this.lastSession;
      link.decoder = new FrameDecoder(FRAME_SIZE_MAX);
      this.take({ kind: 'connected', safekeeper: id });
    }
    for (const frame of link.toSafekeeper.splice(0)) this.ask(id, link, frame);
    for (const bytes of link.toProposer.splice(0)) this.hear(id, link, bytes);
  }

  private ask(id: SafekeeperId, { safekeeper, session, toProposer }: Link, frame: Uint8Array): void {
    const [decoded] = new FrameDecoder(FRAME_SIZE_MAX).push(frame);
    assert(decoded !== undefined, 'a frame is whole');
    if (id === LIAR) this.asked.push(frame);
    for (const answer of safekeeper.receive(session, decodeProposerMessage(decoded))) {
      const bytes = encodeAcceptorMessage(answer);
      toProposer.push(id === LIAR ? this.lie(bytes, this.answered.push(bytes) - 1) : bytes);
    }
  }

  /** As the link of a compute does: bytes that are no message end the connection. */
  private hear(id: SafekeeperId, link: Link, bytes: Uint8Array): void {
    if (!link.isConnected) return;
    try {
      for (const frame of link.decoder.push(bytes)) {
        const message = decodeAcceptorMessage(frame);
        // What a safekeeper says of the membership is believed: a lie about it is not tried here.
        if (message.kind === 'greetingResponse' && message.membership.generation !== GENERATION) continue;
        this.take({ kind: 'received', safekeeper: id, message });
        if (message.kind === 'sessionRefused') this.disconnect(id);
        if (!link.isConnected) return;
      }
    } catch (error) {
      if (!(error instanceof ByteReadError)) throw error;
      this.disconnect(id);
    }
  }

  private disconnect(id: SafekeeperId): void {
    const link = this.links.get(id);
    if (link?.isConnected !== true) return;
    link.isConnected = false;
    link.toSafekeeper = [];
    link.toProposer = [];
    link.safekeeper.disconnected(link.session);
    this.inputs.push({ kind: 'disconnected', safekeeper: id });
  }

  private take(input: ProposerInput): void {
    this.inputs.push(input);
    for (let next = this.inputs.shift(); next !== undefined; next = this.inputs.shift()) {
      const { state, effects } = Proposer.step(this.state, next);
      this.state = state;
      for (const effect of effects) this.perform(effect);
    }
  }

  private perform(effect: ProposerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.links.get(effect.safekeeper)?.toSafekeeper.push(encodeProposerMessage(effect.message));
        break;
      case 'disconnect':
        this.disconnect(effect.safekeeper);
        break;
      case 'elected':
        this.startLsn = effect.startLsn;
        break;
      case 'committed':
        this.committed(effect.lsn);
        break;
      case 'deposed':
        this.isDeposed = true;
        break;
      case 'fetchWal':
        this.fetch(effect);
        break;
      case 'refused':
      case 'membershipChanged':
        break;
      default:
        unreachable(effect);
    }
  }

  /** WF4. */
  private committed(lsn: Lsn): void {
    assert(!this.isDeposed, 'WF4: one that was deposed commits nothing');
    assert(lsn >= this.commitLsn, 'WF4: the commit LSN never falls');
    this.commitLsn = lsn;
    const honest = [...this.links].filter(([id]) => id !== LIAR).map(([, { safekeeper }]) => safekeeper);
    const holder = honest.find(({ state }) => state.flushLsn >= lsn && state.term === this.state.term);
    assert(holder !== undefined, 'WF4: what is committed, a safekeeper besides the liar holds');
    const startLsn = this.startLsn ?? START_LSN;
    const held = holder.log.subarray(startLsn - START_LSN, lsn - START_LSN);
    assert(held.equals(this.wal.subarray(0, lsn - startLsn)), 'WF4: and byte for byte');
  }

  private fetch({ term, startLsn, endLsn, donor }: ProposerEffect & { kind: 'fetchWal' }): void {
    const log = this.links.get(donor)?.safekeeper.log.subarray(startLsn - START_LSN, endLsn - START_LSN);
    if (log === undefined || log.length === 0) this.inputs.push({ kind: 'fetchFailed', term });
    else this.inputs.push({ kind: 'walFetched', term, startLsn, bytes: log });
  }
}
