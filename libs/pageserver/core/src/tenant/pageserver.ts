/**
 * All timelines of this pageserver: opened at boot, created, branched, deleted.
 *
 *   S1  `create` is idempotent: the same request answers the same timeline, another one for the same id is `TimelineExists`.
 *   S2  A branch point is a commit boundary, or the start of the timeline whose history it falls into.
 *   S3  A timeline with children is not deleted, nor one that may have some because a child's index cannot be read.
 *   S4  Creation and deletion of a tenant's timelines happen one at a time.
 *   S5  A deletion that has begun is done when its files are gone, and not before: it may be asked for again until then.
 *   S6  A timeline whose index cannot be read, and those that were branched from it, are not opened, and their files stay as they are.
 *       All others are.
 */
import { Corrupt, Lsn, Refusal, type TenantId, type TimelineId } from '@neon/kernel';
import { POSTGRES_MAJORS } from '@neon/postgres';
import { isLayerName, layerName, parseLayerName } from '../layer/layer';
import { type Template, TEMPLATE_SEQUENCE } from '../import/template';
import { type Boundary } from '../timeline/commit-history';
import { recordBoundary } from '../timeline/page-request';
import { Timeline, type TimelineParts } from '../timeline/timeline';
import type { TimelineFiles } from '../timeline/timeline-files';
import { INDEX_FILE, type TimelineIndex, decodeTimelineIndex, encodeTimelineIndex } from '../timeline/timeline-index';

export interface TimelineName {
  readonly tenantId: TenantId;
  readonly timelineId: TimelineId;
}

export type BranchAt =
  | { readonly kind: 'head' }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }
  | { readonly kind: 'time'; readonly timestampUs: number };

export type TimelineRequest =
  /** A fresh cluster, from the template of that major. */
  | { readonly mode: 'bootstrap'; readonly pgMajor: number }
  | { readonly mode: 'branch'; readonly ancestorTimelineId: TimelineId; readonly at: BranchAt };

/** Where timelines live. */
export abstract class TimelineStore {
  /** Those that exist, and those whose creation was interrupted. */
  abstract list(): Promise<TimelineName[]>;
  /** Makes the place when there is none. */
  abstract open(name: TimelineName): Promise<TimelineFiles>;
  abstract remove(name: TimelineName): Promise<void>;
}

/** Imported initdb results. */
export abstract class TemplateStore {
  /** @throws Refusal `NoTemplate` when there is none of that major */
  abstract get(major: number): Promise<Template>;
  /** Puts the template's layer among a timeline's files, durably. */
  abstract install(template: Template, name: TimelineName): Promise<void>;
}

/** S6. */
export interface DamagedTimeline {
  readonly name: TimelineName;
  readonly error: Corrupt;
  /** Undefined: nobody knows. */
  readonly ancestorId: TimelineId | null | undefined;
}

interface Found {
  readonly index: TimelineIndex;
  readonly files: TimelineFiles;
}

const keyOf = ({ tenantId, timelineId }: TimelineName): string => `${tenantId}/${timelineId}`;

export class Pageserver {
  private readonly timelines = new Map<string, Timeline>();
  /** S5. */
  private readonly leaving = new Map<string, Timeline>();
  private readonly damaged = new Map<string, DamagedTimeline>();
  private readonly steps = new Map<TenantId, Promise<unknown>>();

  constructor(
    private readonly store: TimelineStore,
    private readonly templates: TemplateStore,
    private readonly parts: Omit<TimelineParts, 'files'>,
  ) {}

  /** Opens every timeline that can be (S6), ancestors before their children, and clears away what interrupted steps left. */
  async open(): Promise<void> {
    const found = new Map<string, Found>();
    for (const name of await this.store.list()) {
      const one = await this.read(name);
      if (one !== null) found.set(keyOf(name), one);
    }
    for (const key of found.keys()) await this.openWithAncestors(key, found);
  }

  private async read(name: TimelineName): Promise<Found | null> {
    const files = await this.store.open(name);
    const bytes = await files.readWhole(INDEX_FILE);
    if (bytes === null && !(await files.list()).some(isOfFinished)) {
      await this.store.remove(name);
      return null;
    }
    try {
      if (bytes === null) throw new Corrupt(`timeline ${keyOf(name)} has layers and no index`);
      return { index: decodeTimelineIndex(bytes), files };
    } catch (error) {
      this.note(name, error, undefined);
      return null;
    }
  }

  private async openWithAncestors(key: string, found: ReadonlyMap<string, Found>): Promise<Timeline | null> {
    const opened = this.timelines.get(key);
    const one = found.get(key);
    if (opened !== undefined || one === undefined || this.damaged.has(key)) return opened ?? null;
    const { index, files } = one;
    const { tenantId, ancestor } = index;
    const ancestorKey = ancestor === null ? null : keyOf({ tenantId, timelineId: ancestor.timelineId });
    const parent = ancestorKey === null ? null : await this.openWithAncestors(ancestorKey, found);
    if (ancestorKey !== null && parent === null) {
      const reason = this.damaged.get(ancestorKey)?.error.message ?? `timeline ${ancestorKey} does not exist`;
      this.note(index, new Corrupt(`timeline ${key} was branched from another one: ${reason}`), ancestor?.timelineId);
      return null;
    }
    await removeRubbish(index, files);
    return this.add(index, files, parent);
  }

  private note({ tenantId, timelineId }: TimelineName, error: unknown, ancestorId: TimelineId | undefined): void {
    if (!(error instanceof Corrupt)) throw error;
    const name = { tenantId, timelineId };
    this.damaged.set(keyOf(name), { name, error, ancestorId });
  }

  /** S6. */
  get damagedTimelines(): readonly DamagedTimeline[] {
    return [...this.damaged.values()];
  }

  all = (): Timeline[] => [...this.timelines.values()];

  ofTenant = (tenantId: TenantId): Timeline[] => this.all().filter(({ index }) => index.tenantId === tenantId);

  find = (name: TimelineName): Timeline | undefined => this.timelines.get(keyOf(name));

  /** @throws Refusal `UnknownTimeline`; Corrupt (S6) */
  get(name: TimelineName): Timeline {
    const timeline = this.find(name);
    this.refuseDamaged(name);
    if (timeline === undefined) throw new Refusal('UnknownTimeline', `no timeline ${keyOf(name)}`);
    return timeline;
  }

  private refuseDamaged(name: TimelineName): void {
    const damaged = this.damaged.get(keyOf(name));
    if (damaged !== undefined) throw damaged.error;
  }

  /** @throws Refusal; Corrupt (S6) */
  create(name: TimelineName, request: TimelineRequest): Promise<Timeline> {
    return this.inTurn(name.tenantId, async () => {
      const text = requestText(request);
      this.refuseDamaged(name);
      if (this.leaving.has(keyOf(name)))
        throw new Refusal('TimelineExists', `timeline ${keyOf(name)} is being deleted`);
      const existing = this.find(name);
      if (existing !== undefined) {
        if (existing.index.request === text) return existing;
        throw new Refusal('TimelineExists', `timeline ${keyOf(name)} was created by another request`);
      }
      return request.mode === 'bootstrap'
        ? this.bootstrap(name, request.pgMajor, text)
        : this.branch(name, request, text);
    });
  }

  /** S5. @param leave ends what works on the timeline. @throws Refusal `TimelineHasChildren` */
  delete(name: TimelineName, leave: (timeline: Timeline) => Promise<void>): Promise<void> {
    return this.inTurn(name.tenantId, async () => {
      const key = keyOf(name);
      const timeline = this.find(name) ?? this.leaving.get(key);
      if (timeline === undefined && !this.damaged.has(key)) return;
      this.refuseWithChildren(name);
      if (timeline !== undefined) {
        timeline.end('the timeline was deleted');
        this.timelines.delete(key);
        this.leaving.set(key, timeline);
        await leave(timeline);
        await this.parts.gate.drained();
      }
      await this.store.remove(name);
      this.leaving.delete(key);
      this.damaged.delete(key);
    });
  }

  /** S3. */
  private refuseWithChildren(name: TimelineName): void {
    const key = keyOf(name);
    const isChild = ({ index }: Timeline): boolean =>
      index.tenantId === name.tenantId && index.ancestor?.timelineId === name.timelineId;
    if ([...this.timelines.values(), ...this.leaving.values()].some(isChild))
      throw new Refusal('TimelineHasChildren', `timeline ${key} has branches`);
    for (const { name: other, ancestorId } of this.damaged.values())
      if (
        other.tenantId === name.tenantId &&
        other.timelineId !== name.timelineId &&
        (ancestorId === undefined || ancestorId === name.timelineId)
      )
        throw new Refusal('TimelineHasChildren', `timeline ${key} may have a branch: ${keyOf(other)} is damaged`);
  }

  private async bootstrap(name: TimelineName, pgMajor: number, request: string): Promise<Timeline> {
    if (!POSTGRES_MAJORS.some((major) => major === pgMajor))
      throw new Refusal('UnknownMajor', `Postgres ${pgMajor} is not supported`);
    const template = await this.templates.get(pgMajor);
    const files = await this.store.open(name);
    await this.templates.install(template, name);
    return this.begin(files, null, {
      ...name,
      ...startOf(template),
      pgMajor: template.major,
      systemId: template.systemId,
      walSegmentSize: template.walSegmentSize,
      request,
      ancestor: null,
      nextSequence: TEMPLATE_SEQUENCE + 1,
      layers: [template.layer],
      copies: [],
    });
  }

  private async branch(
    name: TimelineName,
    request: TimelineRequest & { mode: 'branch' },
    text: string,
  ): Promise<Timeline> {
    const ancestor = this.get({ tenantId: name.tenantId, timelineId: request.ancestorTimelineId });
    const point = await branchPoint(ancestor, request.at);
    const { pgMajor, systemId, walSegmentSize } = ancestor.index;
    return this.begin(await this.store.open(name), ancestor, {
      ...name,
      ...startOf(point),
      pgMajor,
      systemId,
      walSegmentSize,
      request: text,
      ancestor: { timelineId: ancestor.index.timelineId, lsn: point.lsn },
      nextSequence: 1,
      layers: [],
      copies: ancestor.view().copies.filter((copy) => copy.lsn <= point.lsn),
    });
  }

  private async begin(
    files: TimelineFiles,
    ancestor: Timeline | null,
    start: Omit<TimelineIndex, 'commits' | 'safekeepers' | 'unreadable'>,
  ): Promise<Timeline> {
    const index: TimelineIndex = { ...start, commits: [], safekeepers: [], unreadable: null };
    await files.replace(INDEX_FILE, encodeTimelineIndex(index));
    return this.add(index, files, ancestor);
  }

  private add(index: TimelineIndex, files: TimelineFiles, ancestor: Timeline | null): Timeline {
    const timeline = new Timeline(index, ancestor, { ...this.parts, files });
    this.timelines.set(keyOf(index), timeline);
    return timeline;
  }

  private inTurn<T>(tenantId: TenantId, step: () => Promise<T>): Promise<T> {
    const previous = this.steps.get(tenantId) ?? Promise.resolve();
    const next = previous.then(step, step);
    this.steps.set(tenantId, next);
    const done = (): void => {
      if (this.steps.get(tenantId) === next) this.steps.delete(tenantId);
    };
    next.then(done, done);
    return next;
  }
}

const startOf = ({
  lsn,
  prevRecordLsn,
  logicalSizeBytes,
}: Pick<Template, 'lsn' | 'prevRecordLsn' | 'logicalSizeBytes'>) => ({
  startLsn: lsn,
  startPrevRecordLsn: prevRecordLsn,
  startLogicalSizeBytes: logicalSizeBytes,
  diskConsistentLsn: lsn,
  prevRecordLsn,
  logicalSizeBytes,
});

/** S2. @throws Refusal `LsnNotReached`, `LsnBeforeHistory`, `TimestampBeforeHistory`; Unavailable */
async function branchPoint(ancestor: Timeline, at: BranchAt): Promise<Boundary> {
  if (at.kind === 'time') {
    const found = await ancestor.lsnAt(at.timestampUs);
    if (found.kind === 'past') throw new Refusal('TimestampBeforeHistory', "the time is before the timeline's history");
    return found.boundary;
  }
  const lsn = at.kind === 'head' ? ancestor.lastRecordLsn : recordBoundary(at.lsn, ancestor.index.walSegmentSize);
  if (lsn > ancestor.lastRecordLsn)
    throw new Refusal('LsnNotReached', `${Lsn.format(lsn)} is beyond ${ancestor.describe()}`);
  const boundary = await ancestor.boundaryAt(lsn);
  if (boundary.lsn > lsn) throw new Refusal('LsnBeforeHistory', `${Lsn.format(lsn)} is before the timeline's history`);
  return boundary;
}

/** The same request has the same text, whatever the order of its fields. */
const requestText = (request: TimelineRequest): string => JSON.stringify(Object.entries(request).sort());

const isOurs = (file: string): boolean => isLayerName(file) || file.startsWith('commits_');

/** Whether a timeline has such a file only once its index was written: the template's layer is there before. */
const isOfFinished = (file: string): boolean =>
  isOurs(file) && !(isLayerName(file) && parseLayerName(file, 0).sequence === TEMPLATE_SEQUENCE);

/** X1: files that the index does not name were left by an interrupted step. */
async function removeRubbish(index: TimelineIndex, files: TimelineFiles): Promise<void> {
  const named = new Set([INDEX_FILE, ...index.layers.map(layerName), ...index.commits.map(({ name }) => name)]);
  for (const name of await files.list()) if (isOurs(name) && !named.has(name)) await files.remove(name);
}
