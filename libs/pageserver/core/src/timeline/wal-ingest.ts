/**
 * From WAL bytes to the changes of a timeline.
 *
 *   I1  Records are applied in order, each wholly or not at all; ingest resumes at the end of the last one.
 *   I2  A record that cannot be applied, for whatever reason but storage that is away for now, stops the timeline: the
 *       reason names record and LSN.
 *   I3  Bytes that are not WAL throw `WalError`: another source may have the right ones.
 */
import { Corrupt, type Lsn, Lsn as LsnOf, Unavailable } from '@neon/kernel';
import {
  type ChangeSettings,
  Checkpoint,
  ControlFile,
  type ImageCodecs,
  WalDecoder,
  type WalRecord,
  describeRecord,
  isParameterChange,
  parseParameterChange,
  trackCheckpoint,
  unwrittenChangesOf,
} from '@neon/postgres';
import { CHECKPOINT, CONTROL_FILE } from '../key/key';
import type { TrackedFile } from './change-writer';
import type { Timeline } from './timeline';

/** Records between two looks at the in-memory layer's size and at who waits. */
const RECORDS_PER_LOOK = 256;

export class WalIngest {
  private readonly decoder: WalDecoder;
  private settings: ChangeSettings;

  private constructor(
    private readonly timeline: Timeline,
    private readonly codecs: ImageCodecs,
    private checkpoint: Checkpoint,
    private controlFile: ControlFile,
  ) {
    this.settings = settingsOf(controlFile, codecs);
    this.decoder = new WalDecoder({
      major: timeline.major,
      startLsn: timeline.lastRecordLsn,
      segmentSize: timeline.index.walSegmentSize,
      prevLsn: timeline.prevRecordLsn,
    });
  }

  /** Ready for the WAL from the timeline's last record on. */
  static async resume(timeline: Timeline, codecs: ImageCodecs): Promise<WalIngest> {
    const contents = await timeline.contentsAt([CHECKPOINT, CONTROL_FILE], timeline.lastRecordLsn);
    const [checkpoint = null, controlFile = null] = contents;
    if (checkpoint === null || controlFile === null)
      throw new Corrupt(`${timeline.describe()} has no checkpoint or control file`);
    const parsed = Checkpoint.parse(checkpoint, timeline.major);
    return new WalIngest(timeline, codecs, parsed, ControlFile.parse(controlFile));
  }

  /** Where the next bytes belong. */
  get receivedLsn(): Lsn {
    return this.decoder.receivedLsn;
  }

  /** Ingests the records that `bytes` complete, until the timeline is stopped. @throws WalError, Unavailable */
  async push(bytes: Uint8Array): Promise<void> {
    const { timeline, decoder } = this;
    try {
      decoder.push(bytes);
      for (let count = 1; timeline.stopped === null; count++) {
        const record = decoder.next();
        if (record === null) break;
        const written = this.applyOrStop(record);
        if (written !== undefined) await written;
        if (count % RECORDS_PER_LOOK === 0) await timeline.ingested();
      }
    } finally {
      await timeline.ingested();
    }
  }

  /** I2 */
  private applyOrStop(record: WalRecord): Promise<void> | undefined {
    try {
      return this.apply(record)?.catch((error: unknown) => this.stop(record, error));
    } catch (error) {
      this.stop(record, error);
      return undefined;
    }
  }

  private stop(record: WalRecord, error: unknown): void {
    if (error instanceof Unavailable) throw error;
    const message = error instanceof Error ? error.message : String(error);
    this.timeline.stop({
      reason: `cannot apply ${describeRecord(record)} at ${LsnOf.format(record.lsn)}: ${message}`,
      error,
    });
  }

  private apply(record: WalRecord): Promise<void> | undefined {
    const changes = unwrittenChangesOf(record, this.settings);
    return this.timeline.apply({ lsn: record.lsn, endLsn: record.endLsn, changes, tracked: this.track(record) });
  }

  /** Files whose content follows from many records: kept here, put when they change. */
  private track(record: WalRecord): readonly TrackedFile[] {
    const checkpoint = trackCheckpoint(this.checkpoint, record);
    const isParameter = isParameterChange(record);
    if (checkpoint === this.checkpoint && !isParameter) return NOTHING_TRACKED;
    const tracked: TrackedFile[] = [];
    if (checkpoint !== this.checkpoint)
      tracked.push({ key: CHECKPOINT, content: Checkpoint.encode(checkpoint, record.major) });
    this.checkpoint = checkpoint;
    if (isParameter) {
      const content = ControlFile.encode(this.controlFile, { parameters: parseParameterChange(record) });
      this.controlFile = ControlFile.parse(content);
      this.settings = settingsOf(this.controlFile, this.codecs);
      tracked.push({ key: CONTROL_FILE, content });
    }
    return tracked;
  }
}

const NOTHING_TRACKED: readonly TrackedFile[] = [];

const settingsOf = ({ parameters, dataChecksumVersion }: ControlFile, codecs: ImageCodecs): ChangeSettings => ({
  ...codecs,
  walLogHints: parameters.walLogHints || dataChecksumVersion > 0,
  trackCommitTimestamp: parameters.trackCommitTimestamp,
});
