/** The management API of the pageserver, about the first branch of a project. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lsn } from '@neon/kernel';
import { TimelineDetail } from '@neon/pageserver-contract';
import { TokenIssuer } from '@neon/service-token';
import { z } from 'zod';
import { type BenchProject, home } from './installation';

const Settings = z.object({ ports: z.partialRecord(z.string(), z.number()) });
const PORT_DEFAULT = 9086;
const TOKEN_SECONDS = 3_600;
const POLL_MS = 20;

/** Whoever operates the installation may sign tokens with its key. */
export const tokenIssuer = (): Promise<TokenIssuer> =>
  TokenIssuer.fromPem(readFileSync(join(home(), 'keys/token-private.pem'), 'utf8'));

export class PageserverManagement {
  private constructor(
    private readonly project: BenchProject,
    private readonly url: string,
    private readonly token: string,
  ) {}

  static async open(project: BenchProject): Promise<PageserverManagement> {
    const { tenantId, timelineId } = await project.compute();
    const { ports } = Settings.parse(JSON.parse(readFileSync(join(home(), 'config.json'), 'utf8')));
    const port = ports['pageserver-http'] ?? PORT_DEFAULT;
    const url = `http://127.0.0.1:${port}/v1/tenants/${tenantId}/timelines/${timelineId}`;
    const token = await (await tokenIssuer()).issue({ scope: 'management' }, TOKEN_SECONDS);
    return new PageserverManagement(project, url, token);
  }

  /** Writes the in-memory layer out and makes images. */
  async settleLayers(): Promise<void> {
    await this.checkpoint();
    await this.ask('POST', '/compact');
  }

  /** Writes the in-memory layer out. */
  async checkpoint(): Promise<void> {
    await this.ask('POST', '/checkpoint');
  }

  /** Waits until it has ingested everything that is written at this moment. @returns for how long, in ms */
  async caughtUp(): Promise<number> {
    const started = performance.now();
    const [row] = await this.project.query('SELECT pg_current_wal_flush_lsn() AS lsn');
    const writtenLsn = Lsn.parse(String(row?.['lsn']));
    await this.untilReached(writtenLsn);
    return performance.now() - started;
  }

  async untilReached(lsn: Lsn): Promise<void> {
    while ((await this.lastRecordLsn()) < lsn) await sleep(POLL_MS);
  }

  async lastRecordLsn(): Promise<Lsn> {
    const { lastRecordLsn, stopReason } = TimelineDetail.parse(await this.ask('GET', ''));
    if (stopReason !== null) throw new Error(`the pageserver stopped: ${stopReason}`);
    return Lsn.parse(lastRecordLsn);
  }

  private async ask(method: 'GET' | 'POST', path: string): Promise<unknown> {
    const answer = await fetch(this.url + path, { method, headers: { authorization: `Bearer ${this.token}` } });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}
