/**
 * `./neon verify chaos`: the life of a run from outside. The run itself is a process of its own (`--inside`), which may be
 * interrupted or die.
 *
 *   V1  A run has an installation of its own: home, ports, network. No other installation is touched.
 *   V2  Whatever ends it, all its processes end, and its namespaces and its disk in memory are gone.
 *   V3  Its data goes when it succeeded, unless it is to be kept; else it stays. Where it is is said.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresMajor } from '@neon/postgres';
import { z } from 'zod';
import { build } from '../../build';
import { DEFAULT_PORTS, type PortName, type Ports, writeSettings } from '../../config';
import { type Home, folder, openHome } from '../../home';
import { ensurePrerequisites } from '../../prerequisites';
import { CommandFailure, say } from '../../progress';
import { pidOf } from '../../stack/processes';
import { Disk } from './disk';
import { INGEST_LAG_BYTES_MAX } from './lag';
import { Network } from './network';
import { leftIn, signal } from './processes';
import { runInside } from './run';
import { CHAOS_SAFEKEEPERS, MACHINES, OPERATOR } from './scene';

export interface ChaosCommand {
  readonly quick: boolean;
  readonly seed: number;
  readonly version: PostgresMajor;
  readonly minutes?: number;
  readonly keep: boolean;
  /** The home of a run that a supervisor has prepared. */
  readonly inside?: string;
}

const FILLABLE = 'safekeeper-3';
const PORT_SHIFT = 10_000;
const INTERRUPTIONS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LAST_PROCESS_TIMEOUT_MS = 10_000;
const LAST_PROCESS_POLL_MS = 50;

/** What the supervisor tells the run. */
const Prepared = z.object({ network: z.string().nullable(), fillable: z.string().nullable() });
const preparedFile = (directory: string): string => join(directory, 'chaos.json');

export async function verifyChaos(command: ChaosCommand): Promise<void> {
  if (command.inside === undefined) return supervise(command);
  const prepared = Prepared.parse(JSON.parse(readFileSync(preparedFile(command.inside), 'utf8')));
  await runInside({
    ...command,
    home: openHome(command.inside),
    network: prepared.network === null ? null : new Network(prepared.network, MACHINES.all),
    fillable: prepared.fillable,
    disk: prepared.fillable === null ? null : diskOf(command.inside, prepared.fillable),
  });
}

const diskOf = (home: string, service: string): Disk => new Disk(join(home, 'data', service));

async function supervise(command: ChaosCommand): Promise<void> {
  await ensurePrerequisites();
  const directory = mkdtempSync(join(tmpdir(), 'neon-chaos-'));
  chmodSync(directory, 0o711);
  const home = openHome(directory);
  const network = Network.isPossible() ? new Network(basename(directory), MACHINES.all) : null;
  const disk = diskOf(directory, FILLABLE);
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  for (const name of INTERRUPTIONS) process.on(name, interrupt);
  let succeeded = false;
  try {
    await build(home.checkout);
    prepare(home, network, disk);
    succeeded = await runToItsEnd(command, { directory, network, interrupted: interruption.signal });
  } finally {
    await clear(home, { network, disk, keep: command.keep || !succeeded });
    for (const name of INTERRUPTIONS) process.off(name, interrupt);
  }
  if (succeeded && command.keep) say(`its data is in ${directory}`);
  if (succeeded) return;
  const outcome = interruption.signal.aborted ? 'was interrupted' : 'did not succeed';
  throw new CommandFailure(`the run ${outcome} (seed ${command.seed}); its data is in ${directory}`);
}

function prepare(home: Home, network: Network | null, disk: Disk): void {
  writeSettings(home, {
    ports: shiftedPorts(),
    computeHosts: MACHINES.computeHosts.length,
    safekeepers: CHAOS_SAFEKEEPERS,
    ingestLagBytesMax: INGEST_LAG_BYTES_MAX,
  });
  network?.make();
  if (network === null) say('  ! no links are cut: that takes root, iproute2 and network namespaces');
  folder(home, 'data');
  const fillable = disk.mount() ? FILLABLE : null;
  if (fillable === null) say('  ! no disk is filled: that takes root and a tmpfs');
  writeFileSync(preparedFile(home.directory), JSON.stringify({ network: network?.name ?? null, fillable }));
}

function shiftedPorts(): Ports {
  const ports: Record<PortName, number> = { ...DEFAULT_PORTS };
  for (const name of Object.keys(DEFAULT_PORTS) as PortName[])
    ports[name] = DEFAULT_PORTS[name] + (name === 'proxy' ? -PORT_SHIFT : PORT_SHIFT);
  return ports;
}

interface Surroundings {
  readonly directory: string;
  readonly network: Network | null;
  readonly interrupted: AbortSignal;
}

/** True when it ended well. */
function runToItsEnd(command: ChaosCommand, { directory, network, interrupted }: Surroundings): Promise<boolean> {
  const { quick, seed, version, minutes } = command;
  const args = ['verify', 'chaos', '--inside', directory, '--seed', String(seed), '--version', String(version)];
  if (quick) args.push('--quick');
  if (minutes !== undefined) args.push('--minutes', String(minutes));
  const [program = process.execPath, ...rest] = [
    ...(network?.placeOn(OPERATOR).launcher ?? []),
    process.execPath,
    '--enable-source-maps',
    ...process.argv.slice(1, 2),
    ...args,
  ];
  if (interrupted.aborted) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, { stdio: 'inherit' });
    const end = (): void => void child.kill('SIGTERM');
    interrupted.addEventListener('abort', end);
    child.once('error', reject);
    child.once('exit', (code) => {
      interrupted.removeEventListener('abort', end);
      resolve(code === 0);
    });
  });
}

/** V2, V3. */
async function clear(
  home: Home,
  { network, disk, keep }: { network: Network | null; disk: Disk; keep: boolean },
): Promise<void> {
  const deadline = Date.now() + LAST_PROCESS_TIMEOUT_MS;
  for (let left = processesOf(home); left.length > 0; left = processesOf(home)) {
    if (Date.now() > deadline) throw new CommandFailure(`processes ${left.join(', ')} do not end`);
    for (const pid of left) signal(pid, 'SIGKILL');
    await sleep(LAST_PROCESS_POLL_MS);
  }
  await disk.unmount({ keep });
  network?.remove();
  if (!keep) rmSync(home.directory, { recursive: true, force: true });
}

function processesOf(home: Home): number[] {
  const services = readdirSync(folder(home, 'run')).flatMap((file) => {
    const pid = file.endsWith('.pid') ? pidOf(home, basename(file, '.pid')) : null;
    return pid === null ? [] : [pid];
  });
  return [...services, ...leftIn(home.directory)];
}
