/** A proposer over real sockets, as a compute has one: for tests that write WAL. */
import { type Socket, connect } from 'node:net';
import {
  type AppendResponse,
  FRAME_SIZE_MAX,
  type Membership,
  type PageserverPositions,
  Proposer,
  type ProposerConfig,
  type ProposerEffect,
  type ProposerInput,
  decodeAcceptorMessage,
  encodeProposerMessage,
} from '@neon/consensus';
import { FrameDecoder, Lsn, type SafekeeperId, type Term } from '@neon/kernel';

const TICK_MS = 20;
const RECONNECT_MS = 100;
const PIECE_SIZE = 48 * 1024;

export type FetchWal = (effect: ProposerEffect & { kind: 'fetchWal' }) => Promise<Uint8Array>;

export class ProposerClient {
  private state;
  private readonly sockets = new Map<SafekeeperId, Socket>();
  private readonly ticker: NodeJS.Timeout;
  private isClosed = false;
  private readonly waiting = new Set<() => void>();
  readonly refusals: string[] = [];
  /** What the last answers to appends said. */
  readonly fullness = new Map<SafekeeperId, number | undefined>();
  readonly pageserver = new Map<SafekeeperId, PageserverPositions>();
  /** Connections that ended, other than by its own `close`. */
  lostCount = 0;
  startLsn: Lsn | undefined;
  commitLsn = Lsn.ZERO;
  deposedBy: Term | undefined;

  constructor(
    config: ProposerConfig,
    private readonly ports: ReadonlyMap<SafekeeperId, number>,
    private readonly fetchWal: FetchWal = () => Promise.reject(new Error('no donor')),
  ) {
    this.state = Proposer.create(config);
    for (const id of config.safekeepers) this.connect(id);
    this.ticker = setInterval(() => this.feed({ kind: 'tick', random: Math.random() }), TICK_MS);
  }

  /** As it knows it now. */
  get membership(): Membership {
    return this.state.membership;
  }

  /** The LSN at which this compute's WAL begins. */
  async recovered(): Promise<Lsn> {
    await this.until(() => this.commitLsn !== Lsn.ZERO || this.deposedBy !== undefined);
    return this.startLsn ?? Lsn.ZERO;
  }

  async write(startLsn: Lsn, wal: Uint8Array): Promise<void> {
    for (let at = 0; at < wal.length; at += PIECE_SIZE) {
      await this.until(() => Proposer.wantsWal(this.state));
      const bytes = wal.subarray(at, at + PIECE_SIZE);
      this.feed({ kind: 'walAvailable', startLsn: Lsn.advance(startLsn, at), bytes });
    }
  }

  async committed(lsn: Lsn): Promise<void> {
    await this.until(() => this.commitLsn >= lsn);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.isClosed) throw new Error('the proposer is closed');
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  close(): void {
    this.isClosed = true;
    clearInterval(this.ticker);
    for (const socket of this.sockets.values()) socket.destroy();
    this.wake();
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  private connect(id: SafekeeperId): void {
    if (this.isClosed) return;
    const socket = connect({ host: '127.0.0.1', port: this.ports.get(id) ?? 0, noDelay: true });
    const decoder = new FrameDecoder(FRAME_SIZE_MAX);
    socket.on('error', () => undefined);
    socket.on('connect', () => {
      this.sockets.set(id, socket);
      this.feed({ kind: 'connected', safekeeper: id });
    });
    socket.on('data', (chunk) => {
      if (socket.destroyed || this.isClosed) return;
      for (const frame of decoder.push(chunk)) {
        const message = decodeAcceptorMessage(frame);
        if (message.kind === 'appendResponse') this.hear(id, message);
        this.feed({ kind: 'received', safekeeper: id, message });
      }
    });
    socket.on('close', () => {
      if (this.sockets.get(id) === socket) {
        this.sockets.delete(id);
        if (!this.isClosed) this.lostCount++;
        this.feed({ kind: 'disconnected', safekeeper: id });
      }
      setTimeout(() => this.connect(id), RECONNECT_MS).unref();
    });
  }

  private hear(id: SafekeeperId, { fullness, pageserver }: AppendResponse): void {
    this.fullness.set(id, fullness);
    if (pageserver !== undefined) this.pageserver.set(id, pageserver);
  }

  private feed(input: ProposerInput): void {
    if (this.isClosed) return;
    const { state, effects } = Proposer.step(this.state, input);
    this.state = state;
    for (const effect of effects) this.perform(effect);
    this.wake();
  }

  private perform(effect: ProposerEffect): void {
    switch (effect.kind) {
      case 'send':
        this.sockets.get(effect.safekeeper)?.write(encodeProposerMessage(effect.message));
        return;
      case 'disconnect':
        this.sockets.get(effect.safekeeper)?.destroy();
        return;
      case 'membershipChanged':
        return;
      case 'refused':
        this.refusals.push(effect.code);
        return;
      case 'elected':
        this.startLsn = effect.startLsn;
        return;
      case 'committed':
        this.commitLsn = effect.lsn;
        return;
      case 'deposed':
        this.deposedBy = effect.term;
        return;
      case 'fetchWal': {
        const { startLsn, term } = effect;
        this.fetchWal(effect).then(
          (bytes) => this.feed({ kind: 'walFetched', term, startLsn, bytes }),
          () => this.feed({ kind: 'fetchFailed', term }),
        );
        return;
      }
    }
  }
}
