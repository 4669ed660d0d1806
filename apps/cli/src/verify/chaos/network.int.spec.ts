/** Needs root and a system that lets it make network namespaces. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Network } from './network';

const PORT = 5_000;
const onlyWhere = Network.isPossible() ? describe : describe.skip;

/** What arrives at a machine, by UDP: each datagram once, none answered. */
class Ear {
  heard = '';
  private readonly child: ChildProcess;

  constructor(
    private readonly network: Network,
    private readonly machine: string,
  ) {
    const program = `require('dgram').createSocket('udp4').on('message', (m) => process.stdout.write(m)).bind(${PORT}, () => process.stdout.write('ready'))`;
    this.child = inside(network, machine, program);
    this.child.stdout?.on('data', (chunk: Buffer) => (this.heard += chunk.toString()));
  }

  async ready(): Promise<void> {
    while (!this.heard.startsWith('ready')) await sleep(20);
  }

  /** Ends when a datagram from `sender` has arrived. */
  async hears(sender: string): Promise<void> {
    const before = this.heard.length;
    this.send(sender);
    while (this.heard.length === before) await sleep(20);
  }

  async hearsNothing(sender: string): Promise<boolean> {
    const before = this.heard.length;
    this.send(sender);
    await sleep(500);
    return this.heard.length === before;
  }

  private send(sender: string): void {
    const [program, args] = commandIn(
      this.network,
      sender,
      `const s = require('dgram').createSocket('udp4'); s.send('x', ${PORT}, '${this.network.placeOn(this.machine).host}', () => s.close())`,
    );
    execFileSync(program, args);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill();
    await ended;
  }
}

function commandIn(network: Network, machine: string, program: string): [string, string[]] {
  const [launcher = '', ...args] = network.placeOn(machine).launcher;
  return [launcher, [...args, process.execPath, '-e', program]];
}

const inside = (network: Network, machine: string, program: string): ChildProcess =>
  spawn(...commandIn(network, machine, program), { stdio: ['ignore', 'pipe', 'inherit'] });

onlyWhere('a network of two machines', () => {
  const network = new Network(`neon-spec-${process.pid}`, ['left', 'right']);
  let left: Ear;
  let right: Ear;
  beforeAll(async () => {
    network.make();
    [left, right] = [new Ear(network, 'left'), new Ear(network, 'right')];
    await Promise.all([left.ready(), right.ready()]);
  });
  afterAll(async () => {
    await Promise.all([left.close(), right.close()]);
    network.remove();
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(network.name);
  });

  it('carries what they send', async () => {
    await right.hears('left');
    await left.hears('right');
  });

  it('N2: a cut link loses all, the other direction nothing', async () => {
    await network.cut({ from: 'left', to: 'right' });
    expect(await right.hearsNothing('left')).toBe(true);
    await left.hears('right');
    await network.mend({ from: 'left', to: 'right' });
    await right.hears('left');
  });

  it('N3: a link that was cut twice is whole when it was mended twice, and not mended once more', async () => {
    const link = { from: 'left', to: 'right' };
    await network.cut(link);
    await network.cut(link);
    await network.mend(link);
    expect(await right.hearsNothing('left')).toBe(true);
    await network.mend(link);
    await right.hears('left');
    await expect(network.mend(link)).rejects.toThrow('is not cut');
  });
});
