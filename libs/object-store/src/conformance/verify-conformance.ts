/**
 * Whether an object store does what the product counts on: run against a bucket of one's own with `./neon verify object-store`.
 *
 *   C1  Everything is put under a prefix that no other run has, and is deleted at the end, after an abort as well.
 *   C2  A rule that is not kept is `notSupported` when the store lacks the feature as a whole, and `failed` when it does otherwise than it
 *       should. A store is fit when every required rule is kept and none failed.
 */
import { randomUUID } from 'node:crypto';
import { Refusal } from '@neon/kernel';
import type { ObjectStore } from '../object-store';
import { S3ObjectStore } from '../s3/s3-object-store';
import { conditionRules } from './condition-rules';
import { listRules } from './list-rules';
import { objectRules } from './object-rules';
import type { ConformanceRule } from './rule';
import { serverRules } from './server-rules';
import { NotSupported, Subject } from './subject';

export type Judgement =
  | { readonly status: 'ok' }
  | { readonly status: 'notSupported'; readonly reason: string }
  | { readonly status: 'failed'; readonly reason: string };

export interface JudgedRule {
  readonly rule: Omit<ConformanceRule, 'check'>;
  readonly judgement: Judgement;
}

export interface ConformanceOptions {
  readonly report: (judged: JudgedRule) => void;
  readonly signal?: AbortSignal;
  /** Of objects that a bucket gets in parts; smaller for stores that know no parts. */
  readonly largeSize?: number;
}

export interface ConformanceReport {
  readonly rules: readonly JudgedRule[];
  readonly isFit: boolean;
}

export const conformanceRules = (store: ObjectStore): readonly ConformanceRule[] => [
  ...objectRules,
  ...listRules,
  ...conditionRules,
  ...(store instanceof S3ObjectStore ? serverRules(store) : []),
];

/** @throws the reason of the signal; Unavailable when the store is, or when what the run has put could not be deleted */
export async function verifyConformance(
  store: ObjectStore,
  { report, signal, largeSize }: ConformanceOptions,
): Promise<ConformanceReport> {
  const subject = newSubject(store, signal, largeSize);
  // A store that cannot be reached is not judged.
  await subject.get(subject.key('reachable'));
  const rules: JudgedRule[] = [];
  try {
    for (const rule of conformanceRules(store)) {
      const judged = { rule, judgement: await judge(rule, subject) };
      signal?.throwIfAborted();
      rules.push(judged);
      report(judged);
    }
  } finally {
    await subject.clean();
  }
  return { rules, isFit: rules.every(isAcceptable) };
}

export const newSubject = (store: ObjectStore, signal?: AbortSignal, largeSize?: number): Subject =>
  new Subject(store, `neon-verify-${randomUUID()}`, signal, largeSize);

const isAcceptable = ({ rule, judgement: { status } }: JudgedRule): boolean =>
  status === 'ok' || (status === 'notSupported' && !rule.isRequired);

async function judge(rule: ConformanceRule, subject: Subject): Promise<Judgement> {
  try {
    await rule.check(subject);
    return { status: 'ok' };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const isLacking =
      error instanceof NotSupported || (error instanceof Refusal && error.code === 'NotSupportedByObjectStore');
    return { status: isLacking ? 'notSupported' : 'failed', reason };
  }
}
