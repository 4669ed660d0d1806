/**
 * pgbench (TPC-B-like) on a compute with three safekeepers, beside stock Postgres with local commit and beside stock
 * Postgres with a quorum of three `pg_receivewal --synchronous`, all on this machine with the same settings.
 *
 * The machine may be noisy: every round measures all targets one after the other, in turns forwards and backwards, and the
 * medians of the rounds are compared. Before, every target has run for a while, until its code is hot.
 */
import { BOOTSTRAP_SUPERUSER } from '@neon/postgres-server';
import { BenchProject, runProgram } from './installation';
import { PeerPostgres } from './peer-postgres';
import { type Row, type Suite, duration, percentile, rate } from './row';

/** No fewer branches than clients, as pgbench's documentation advises: else sessions wait for each other's rows, not for commits. */
const SCALE = 32;
const SETTLE_SECONDS = 25;
const SETTLE_CLIENTS = 8;
const SECONDS = 4;
const ROUNDS = 3;
const WARM_UP_SECONDS = 2;
const CLIENTS = [1, 8, 32];

interface Target {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

interface Result {
  readonly tps: number;
  readonly latencyMs: number;
}

export const commit: Suite = {
  name: 'commit',
  what: 'pgbench against stock Postgres, local commit and quorum commit',
  async run(report): Promise<Row[]> {
    const project = await BenchProject.create('bench-commit');
    const settings = {
      shared_buffers: String((await project.query('SHOW shared_buffers'))[0]?.['shared_buffers']),
      max_connections: '112',
    };
    const local = await PeerPostgres.local(settings);
    const quorum = await PeerPostgres.quorum(settings);
    const { password, user, database } = project.login;
    const { port } = await project.compute();
    const url = new URL(project.uri);
    const ours: Target = {
      name: 'compute',
      args: ['-h', '127.0.0.1', '-p', String(port), '-U', user, database],
      env: { PGPASSWORD: password },
    };
    const proxied: Target = {
      name: 'through the proxy',
      args: ['-h', url.hostname, '-p', url.port, '-U', user, database],
      env: { PGPASSWORD: password, PGHOSTADDR: '127.0.0.1', PGSSLMODE: 'require' },
    };
    const stock = (name: string, peer: PeerPostgres): Target => ({
      name,
      args: ['-h', '127.0.0.1', '-p', String(peer.port), '-U', BOOTSTRAP_SUPERUSER, 'postgres'],
      env: {},
    });
    const targets = [
      ours,
      proxied,
      stock('stock, local commit', local),
      ...(quorum === null ? [] : [stock('stock, quorum of three pg_receivewal', quorum)]),
    ];
    for (const target of [ours, ...targets.slice(2)])
      await runProgram('pgbench', ['-i', '-q', '-s', String(SCALE), ...target.args], target.env);
    for (const target of targets) await measure(target, SETTLE_CLIENTS, SETTLE_SECONDS);
    const rows: Row[] = [];
    for (const clients of CLIENTS) rows.push(...(await compare(clients, targets, report)));
    return rows;
  },
};

async function compare(clients: number, targets: readonly Target[], report: (line: string) => void): Promise<Row[]> {
  const samples = new Map<string, Result[]>(targets.map((target) => [target.name, []]));
  for (const target of targets) await measure(target, clients, WARM_UP_SECONDS);
  for (let round = 0; round < ROUNDS; round++) {
    for (const target of round % 2 === 0 ? targets : [...targets].reverse()) {
      samples.get(target.name)?.push(await measure(target, clients, SECONDS));
    }
  }
  const medians = targets.map(({ name }) => {
    const results = samples.get(name) ?? [];
    const median = (values: number[]): number => percentile(values, 0.5);
    const result = {
      name,
      tps: median(results.map(({ tps }) => tps)),
      latencyMs: median(results.map(({ latencyMs }) => latencyMs)),
    };
    report(`${clients} clients, ${name}: ${Math.round(result.tps)} tps, ${result.latencyMs.toFixed(2)} ms`);
    return result;
  });
  const [ours, proxied, ...peers] = medians;
  if (ours === undefined || proxied === undefined) return [];
  return peers.flatMap((peer) => [
    rate(`TPS, ${clients} clients`, ours.tps, 'tps', { name: peer.name, value: peer.tps }),
    rate(`TPS through the proxy, ${clients} clients`, proxied.tps, 'tps', { name: peer.name, value: peer.tps }),
    duration(`latency, ${clients} clients`, ours.latencyMs, { name: peer.name, value: peer.latencyMs }),
  ]);
}

async function measure({ args, env }: Target, clients: number, seconds: number): Promise<Result> {
  const output = await runProgram(
    'pgbench',
    ['-n', '-c', String(clients), '-j', String(Math.min(clients, 2)), '-T', String(seconds), ...args],
    env,
  );
  return {
    tps: Number(/tps = ([\d.]+)/.exec(output)?.[1]),
    latencyMs: Number(/latency average = ([\d.]+)/.exec(output)?.[1]),
  };
}
