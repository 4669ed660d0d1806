/**
 * A network of its own for a run: each machine is a network namespace with one address on a common switch.
 *
 *   N1  Nothing of this computer's own network is touched, and no port of it is taken.
 *   N2  While a link is cut, what `from` sends to `to` vanishes, as in a network that is broken: nobody is told. The other
 *       direction is a link of its own.
 *   N3  A link that several faults cut is whole again when the last of them is over.
 *   N4  `remove` leaves nothing, whatever was made before it.
 *
 * A cut is an entry in the sender's neighbour table that leads to an address which no machine has; so it needs nothing of
 * the kernel but namespaces, `veth` and `bridge`.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Place } from '../../stack/place';
import { which } from '../../prerequisites';
import type { Link } from './fault';

const run = promisify(execFile);
const NAMESPACES = '/run/netns';
const SWITCH = 'switch';
const NOWHERE = '02:4e:00:00:00:ff';

export class Network {
  private readonly cuts = new Map<string, number>();

  /** @param name prefix of the namespaces */
  constructor(
    readonly name: string,
    private readonly machines: readonly string[],
  ) {}

  /** As root, with iproute2, in a system that lets us. */
  static isPossible(): boolean {
    if (process.getuid?.() !== 0 || which('ip') === null || which('nsenter') === null) return false;
    const probe = new Network(`neon-probe-${process.pid}`, ['a']);
    try {
      probe.make();
      return true;
    } catch {
      return false;
    } finally {
      probe.remove();
    }
  }

  make(): void {
    this.addNamespace(SWITCH);
    ip('-n', this.namespace(SWITCH), 'link', 'add', 'bridge', 'type', 'bridge');
    ip('-n', this.namespace(SWITCH), 'link', 'set', 'bridge', 'up');
    for (const machine of this.machines) this.connect(machine);
    for (const from of this.machines)
      for (const to of this.machines)
        if (from !== to) ip(...this.neighbour({ from, to }, hardwareAddress(this.numberOf(to))));
  }

  private addNamespace(machine: string): void {
    ip('netns', 'add', this.namespace(machine));
    ip('-n', this.namespace(machine), 'link', 'set', 'lo', 'up');
  }

  private connect(machine: string): void {
    const [here, middle] = [this.namespace(machine), this.namespace(SWITCH)];
    const port = `port${this.numberOf(machine)}`;
    this.addNamespace(machine);
    const address = hardwareAddress(this.numberOf(machine));
    ip('-n', here, 'link', 'add', 'eth0', 'address', address, 'type', 'veth', 'peer', 'name', port, 'netns', middle);
    ip('-n', here, 'address', 'add', `${this.host(machine)}/24`, 'dev', 'eth0');
    ip('-n', here, 'link', 'set', 'eth0', 'up');
    ip('-n', middle, 'link', 'set', port, 'master', 'bridge', 'up');
  }

  private namespace = (machine: string): string => `${this.name}-${machine}`;

  private numberOf(machine: string): number {
    const index = this.machines.indexOf(machine);
    if (index === -1) throw new Error(`no machine ${machine}`);
    return index + 1;
  }

  private host = (machine: string): string => `10.0.0.${this.numberOf(machine)}`;

  placeOn(machine: string): Place {
    const file = join(NAMESPACES, this.namespace(machine));
    return { host: this.host(machine), launcher: [which('nsenter') ?? 'nsenter', `--net=${file}`] };
  }

  async cut(link: Link): Promise<void> {
    const count = (this.cuts.get(keyOf(link)) ?? 0) + 1;
    this.cuts.set(keyOf(link), count);
    if (count === 1) await this.lead(link, NOWHERE);
  }

  async mend(link: Link): Promise<void> {
    const count = (this.cuts.get(keyOf(link)) ?? 0) - 1;
    if (count < 0) throw new Error(`${keyOf(link)} is not cut`);
    this.cuts.set(keyOf(link), count);
    if (count === 0) await this.lead(link, hardwareAddress(this.numberOf(link.to)));
  }

  private async lead(link: Link, address: string): Promise<void> {
    await run('ip', this.neighbour(link, address));
  }

  private neighbour = ({ from, to }: Link, address: string): string[] => [
    ...['-n', this.namespace(from), 'neighbour', 'replace', this.host(to)],
    ...['lladdr', address, 'dev', 'eth0', 'nud', 'permanent'],
  ];

  remove(): void {
    for (const machine of [SWITCH, ...this.machines])
      if (existsSync(join(NAMESPACES, this.namespace(machine)))) ip('netns', 'delete', this.namespace(machine));
  }
}

const keyOf = ({ from, to }: Link): string => `${from} to ${to}`;

const hardwareAddress = (number: number): string => `02:4e:00:00:00:${number.toString(16).padStart(2, '0')}`;

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
