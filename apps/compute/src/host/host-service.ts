/** Wires this host's computes to the bus, and takes both down in the right order. */
import { ComputeHost, observe } from '@neon/compute-adapters';
import { type ComputeState, applySpec, startCompute, stopCompute } from '@neon/compute-contract';
import { Lsn } from '@neon/kernel';
import { Bus, type Subscribed } from '@neon/messaging';
import { findDistributions, postgresUser } from '@neon/postgres-server';
import { safekeeperAlive } from '@neon/safekeeper-contract';
import type { Logger } from '@neon/telemetry';
import type { Config } from '../config';
import { HostAnnouncer } from './host-announcer';

const ANNOUNCE_TIMEOUT_MS = 2_000;

export class HostService {
  private constructor(
    private readonly bus: Bus,
    private readonly computes: ComputeHost,
    private readonly announcer: HostAnnouncer,
    private readonly responders: readonly Subscribed[],
  ) {}

  static async open(config: Config, log: Logger): Promise<HostService> {
    const bus = await Bus.connect({
      ...config.nats,
      name: `compute host ${config.hostId}`,
      onError: (error, where) => log.error({ error: String(error), where }, 'message not handled'),
    });
    const announcer = new HostAnnouncer(bus, config.hostId, log);
    const distributions = findDistributions(config.distributionDirs, { debian: true });
    log.info(
      { distributions: distributions.map(({ version, directory }) => ({ version, directory })) },
      'distributions',
    );
    const computes = await ComputeHost.open({
      environment: {
        dataDir: config.dataDir,
        runDir: config.runDir,
        host: config.host,
        distributions,
        postgresUser: postgresUser(config.postgresUid),
        pageShim: config.pageShim,
        backpressure: config.backpressure,
        log,
      },
      onEnded: (end) => announcer.ended(end),
    });
    observe(computes);
    bus.onSignal(safekeeperAlive, ({ safekeeperId: id, host, proposerPort, replicationPort }) =>
      computes.addresses.heardOf({ id, host, proposerPort, replicationPort }),
    );
    announcer.start(() => computes.states());
    return new HostService(bus, computes, announcer, respond(bus, computes, config.hostId));
  }

  get isConnected(): boolean {
    return this.bus.isConnected;
  }

  states(): ComputeState[] {
    return this.computes.states();
  }

  /** Doors first, then what is inside, then the last word about it. */
  async close(): Promise<void> {
    await Promise.all(this.responders.map((responder) => responder.stop()));
    await this.computes.close();
    await this.announcer.stop(ANNOUNCE_TIMEOUT_MS);
    await this.bus.close();
  }
}

function respond(bus: Bus, computes: ComputeHost, target: string): Subscribed[] {
  return [
    bus.respond(
      startCompute,
      async ({ spec }) => {
        const { address, startLsn, term } = await computes.start(spec);
        return { address, startLsn: Lsn.format(startLsn), term };
      },
      { target },
    ),
    bus.respond(applySpec, async ({ spec }) => ({ applied: await computes.apply(spec) }), { target }),
    bus.respond(
      stopCompute,
      async ({ computeId, mode }) => {
        const finalLsn = await computes.stop(computeId, mode);
        return { finalLsn: finalLsn === null ? null : Lsn.format(finalLsn) };
      },
      { target },
    ),
  ];
}
