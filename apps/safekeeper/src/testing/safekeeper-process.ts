/** A safekeeper in a process of its own, that can be killed: with a bus and keys, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@neon/free-port';
import { TokenIssuer, generateKeyPair } from '@neon/service-token';

const CHECKOUT = resolve(__dirname, '../../../..');

/** What safekeepers need around them. */
export class Surroundings {
  private constructor(
    readonly root: string,
    readonly natsUrl: string,
    readonly issuer: TokenIssuer,
    private readonly nats: ChildProcess,
  ) {}

  static async start(root: string): Promise<Surroundings> {
    const port = await freePort();
    const nats = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(root, 'nats')], {
      stdio: 'ignore',
    });
    const keys = await generateKeyPair();
    writeFileSync(join(root, 'public.pem'), keys.publicPem);
    const issuer = await TokenIssuer.fromPem(keys.privatePem);
    writeFileSync(join(root, 'storage-token'), await issuer.issue({ scope: 'storage' }));
    return new Surroundings(root, `nats://127.0.0.1:${port}`, issuer, nats);
  }

  /** The JSON that the management API answers; undefined where it has none to give. @throws Error with status and body */
  async management(httpPort: number | undefined, method: string, path: string, body?: unknown): Promise<unknown> {
    const token = await this.issuer.issue({ scope: 'management' });
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer: unknown = response.status === 204 ? undefined : await response.json();
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async stop(): Promise<void> {
    this.nats.kill('SIGTERM');
    if (this.nats.exitCode === null) await once(this.nats, 'exit');
  }
}

export interface SafekeeperPorts {
  readonly proposerPort: number;
  readonly replicationPort: number;
  readonly httpPort: number;
}

export const freePorts = async (): Promise<SafekeeperPorts> => ({
  proposerPort: await freePort(),
  replicationPort: await freePort(),
  httpPort: await freePort(),
});

export class SafekeeperProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly ports: SafekeeperPorts,
    readonly logFile: string,
  ) {}

  /** It has said that it is ready. @throws when it ended first, with what it logged */
  static async start(
    surroundings: Surroundings,
    options: { readonly dataDir: string; readonly ports?: SafekeeperPorts; readonly env?: Record<string, string> },
  ): Promise<SafekeeperProcess> {
    const ports = options.ports ?? (await freePorts());
    mkdirSync(options.dataDir, { recursive: true });
    const logFile = join(surroundings.root, `${basename(options.dataDir)}.log`);
    writeFileSync(logFile, '');
    const child = spawn(process.execPath, ['-r', '@swc-node/register', join(CHECKOUT, 'apps/safekeeper/src/main.ts')], {
      cwd: CHECKOUT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        TS_NODE_PROJECT: 'tsconfig.json',
        NEON_SAFEKEEPER_ID: '1',
        NEON_DATA_DIR: options.dataDir,
        NEON_PROPOSER_PORT: String(ports.proposerPort),
        NEON_REPLICATION_PORT: String(ports.replicationPort),
        NEON_HTTP_PORT: String(ports.httpPort),
        NEON_NATS_URL: surroundings.natsUrl,
        NEON_TOKEN_PUBLIC_KEY_FILE: join(surroundings.root, 'public.pem'),
        NEON_STORAGE_TOKEN_FILE: join(surroundings.root, 'storage-token'),
        NEON_DISK_FREE_BYTES_MIN: '0',
        ...options.env,
      },
    });
    const keep = (chunk: Buffer): void => writeFileSync(logFile, chunk, { flag: 'a' });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const started = new SafekeeperProcess(child, ports, logFile);
    for (;;) {
      if (started.log().includes('"ready"')) return started;
      if (child.exitCode !== null) throw new Error(`the safekeeper ended: ${started.log()}`);
      await sleep(10);
    }
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ended = this.child.exitCode === null && this.child.signalCode === null ? once(this.child, 'exit') : undefined;
    this.child.kill(signal);
    await ended;
  }
}
