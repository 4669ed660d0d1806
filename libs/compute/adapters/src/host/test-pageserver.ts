/**
 * For specs: a pageserver over the files of a cleanly stopped cluster. It serves a basebackup at any LSN, as long as no
 * page has changed since.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ByteWriter, Lsn } from '@neon/kernel';
import type { BasebackupManifest, PageAnswer, PageRequest } from '@neon/pageserver-contract';
import { Checkpoint, ControlFile } from '@neon/postgres';
import { FilePageServer } from '../pages/file-page-server';

const RELATION = /^(?:base\/(\d+)|global)\/(\d+)(_fsm|_vm|_init)?$/;
const SMALL =
  /^(PG_VERSION|base\/\d+\/(PG_VERSION|pg_filenode\.map)|global\/(pg_control|pg_filenode\.map)|pg_(xact|multixact|commit_ts|twophase)\/.+)$/;

export class TestPageserver extends FilePageServer {
  readonly controlFile: ControlFile;
  /** End of the cluster's shutdown checkpoint: where its timeline goes on. */
  readonly endLsn: Lsn;
  /** Start of the last record below an LSN. */
  lastRecordLsn: (lsn: Lsn) => Lsn;

  constructor(
    private readonly clusterDir: string,
    private readonly identity: { readonly tenantId: string; readonly timelineId: string },
  ) {
    super(clusterDir);
    this.controlFile = ControlFile.parse(readFileSync(join(clusterDir, 'global/pg_control')));
    this.lastRecordLsn = () => this.controlFile.checkpointLsn;
    const recordSize = 24 + 2 + 88;
    this.endLsn = Lsn.of(Math.ceil((this.controlFile.checkpointLsn + recordSize) / 8) * 8);
  }

  protected override answer(request: PageRequest): PageAnswer {
    if (request.type !== 'getBasebackup') return super.answer(request);
    const bytes = this.basebackup(request.lsn);
    return { type: 'basebackupChunk', requestId: request.requestId, last: true, bytes };
  }

  basebackup(lsn: Lsn): Buffer {
    const { controlFile } = this;
    const manifest: BasebackupManifest = {
      version: 1,
      ...this.identity,
      pgMajor: controlFile.major,
      systemId: controlFile.systemId,
      walSegmentSize: controlFile.segmentSize,
      lsn: Lsn.format(lsn),
      prevRecordLsn: Lsn.format(this.lastRecordLsn(lsn)),
      checkpoint: Buffer.from(Checkpoint.encode(controlFile.checkpoint, controlFile.major)).toString('base64'),
    };
    const relations = new ByteWriter();
    const files: [string, Uint8Array][] = [];
    for (const item of readdirSync(this.clusterDir, { recursive: true, withFileTypes: true })) {
      if (!item.isFile()) continue;
      const full = join(item.parentPath, item.name);
      const path = relative(this.clusterDir, full);
      const match = RELATION.exec(path);
      if (match !== null) this.list(relations, match, statSync(full).size / 8192);
      if (SMALL.test(path) || match?.[3] === '_init') files.push([path, readFileSync(full)]);
    }
    return tar([
      ['neon/manifest.json', Buffer.from(JSON.stringify(manifest))],
      ['neon/relations', relations.finish()],
      ...files,
    ]);
  }

  private list(out: ByteWriter, [, database, relation, fork]: RegExpExecArray, blockCount: number): void {
    if (fork === '_fsm') return;
    out
      .u32(database === undefined ? 1664 : 1663)
      .u32(Number(database ?? 0))
      .u32(Number(relation));
    out.u8([undefined, '_fsm', '_vm', '_init'].indexOf(fork)).u32(blockCount);
  }
}

export function tar(files: readonly (readonly [string, Uint8Array])[]): Buffer {
  const blocks = files.flatMap(([name, content]) => [
    tarHeader(name, content.length),
    content,
    new Uint8Array((512 - (content.length % 512)) % 512),
  ]);
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000600\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        0', 148);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
