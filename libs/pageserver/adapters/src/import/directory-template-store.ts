/**
 * Imported initdb results: one layer file per cluster, hard-linked into each timeline that starts from it.
 *
 *   T1  A cluster is imported once; which one it was is told by its system identifier and LSN, which the file is named by.
 *   T2  A link is durable before the timeline's index names it.
 */
import { link, mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Corrupt, Refusal } from '@neon/kernel';
import { type Lsn, Lsn as LsnOf } from '@neon/kernel';
import {
  type ClusterStart,
  type Compression,
  type ImportedContent,
  type Template,
  TemplateStore,
  type TimelineName,
  clusterStart,
  importFile,
  isImported,
  isLayerName,
  layerName,
  parseLayerName,
  writeTemplateLayer,
} from '@neon/pageserver-core';
import { ControlFile, WalSegment } from '@neon/postgres';
import { DirectoryTimelineFiles } from '../files/directory-timeline-files';
import type { DirectoryTimelineStore } from '../files/directory-timeline-store';
import { syncDirectory } from '../files/durable';
import { OpenFiles } from '../files/open-files';

/** Files read at once while importing. */
const READS_AT_ONCE = 16;

export class DirectoryTemplateStore extends TemplateStore {
  private readonly known = new Map<number, Promise<Template>>();

  constructor(
    /** Where imported layers are kept. */
    private readonly directory: string,
    /** Data directories as initdb made them, by major. */
    private readonly clustersDirectory: string,
    private readonly timelines: DirectoryTimelineStore,
    private readonly compression: Compression,
  ) {
    super();
  }

  /** Majors for which there is a cluster to import. */
  async majors(): Promise<number[]> {
    const names = await readdir(this.clustersDirectory).catch(() => []);
    return names.filter((name) => /^\d+$/.test(name)).map(Number);
  }

  get(major: number): Promise<Template> {
    const known = this.known.get(major);
    if (known !== undefined) return known;
    const template = this.importCluster(major);
    this.known.set(major, template);
    template.catch(() => this.known.delete(major));
    return template;
  }

  async install(template: Template, name: TimelineName): Promise<void> {
    const target = join(this.timelines.directoryOf(name), layerName(template.layer));
    await rm(target, { force: true });
    await link(join(this.placeOf(template), layerName(template.layer)), target);
    await syncDirectory(dirname(target));
  }

  private placeOf = ({ systemId, major, lsn }: ClusterStart): string =>
    join(this.directory, `${major}-${systemId}-${lsn.toString(16)}`);

  private async importCluster(major: number): Promise<Template> {
    const cluster = join(this.clustersDirectory, String(major));
    const controlFile = await readFile(join(cluster, 'global/pg_control')).catch((cause: unknown) => {
      throw new Refusal('NoTemplate', `no cluster to import for Postgres ${major}`, { cause });
    });
    const contents = await readCluster(cluster);
    const wal = await readWalOf(cluster, controlFile);
    const start = clusterStart(controlFile, wal, contents);
    if (start.major !== major) throw new Corrupt(`${cluster} is of Postgres ${start.major}`);
    const place = this.placeOf(start);
    await mkdir(place, { recursive: true, mode: 0o700 });
    const existing = (await readdir(place)).find(isLayerName);
    if (existing !== undefined) {
      const { size } = await stat(join(place, existing));
      return { ...start, layer: parseLayerName(existing, size) };
    }
    const files = new DirectoryTimelineFiles(place, new OpenFiles(1));
    const layer = await writeTemplateLayer(start, contents, {
      writer: await files.create(),
      compression: this.compression,
    });
    return { ...start, layer };
  }
}

async function readCluster(cluster: string): Promise<ImportedContent[]> {
  const entries = await readdir(cluster, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(cluster, join(entry.parentPath, entry.name)))
    .filter(isImported)
    // Segments of one relation in their order: the size of the last one counts.
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const contents: ImportedContent[][] = [];
  for (let at = 0; at < paths.length; at += READS_AT_ONCE)
    contents.push(
      ...(await Promise.all(
        paths.slice(at, at + READS_AT_ONCE).map(async (path) => importFile(path, await readFile(join(cluster, path)))),
      )),
    );
  return contents.flat();
}

/** The WAL from an LSN of the checkpoint's segment on. */
async function readWalOf(cluster: string, controlFile: Uint8Array): Promise<(lsn: Lsn) => Uint8Array> {
  const { checkpointLsn, segmentSize } = ControlFile.parse(controlFile);
  const address = { lsn: checkpointLsn, segmentSize, timelineId: 1 };
  const start = WalSegment.startLsn({ lsn: checkpointLsn, segmentSize });
  const bytes = await readFile(join(cluster, 'pg_wal', WalSegment.fileName(address)));
  return (lsn) => {
    if (lsn < start) throw new Corrupt(`WAL at ${LsnOf.format(lsn)} is not in the checkpoint's segment`);
    return bytes.subarray(lsn - start);
  };
}
