import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Corrupt, Refusal, Unavailable, crc32c } from '@neon/kernel';
import { ObjectKey, ObjectPrefix } from '../object-key';
import { OBJECT_SIZE_MAX } from '../object-store';
import { MULTIPART_SIZE_MIN, PART_SIZE, type S3Config, type S3Patience } from './s3-config';
import { S3ObjectStore } from './s3-object-store';
import {
  type Answer,
  type ReceivedRequest,
  ScriptedServer,
  early,
  hang,
  ok,
  partial,
  reset,
  status,
  xml,
} from './scripted-server';

let server: ScriptedServer;
let store: S3ObjectStore;
const opened: S3ObjectStore[] = [];
const credentials = { accessKeyId: 'access', secretAccessKey: 'hunter2' };
const patience: S3Patience = { attemptCountMax: 4, backoffMs: 2, backoffMsMax: 10, connectMs: 5000, answerMs: 10_000 };
/** For servers that fall silent; long enough for one that does not, on a busy machine. */
const impatience = { answerMs: 2_000 };

async function open(config: Partial<S3Config> = {}, changed: Partial<S3Patience> = {}): Promise<S3ObjectStore> {
  const { endpoint } = server;
  const base = { bucket: 'neon', prefix: 'p', endpoint, forcePathStyle: true, credentials };
  const made = await S3ObjectStore.open({ ...base, ...config }, { ...patience, ...changed });
  opened.push(made);
  return made;
}

beforeAll(async () => {
  server = await ScriptedServer.start();
  store = await open();
});
afterAll(async () => {
  await Promise.all(opened.map((each) => each.close()));
  await server.stop();
});

const key = ObjectKey.of('a', 'b');
const content = Buffer.from('what is archived');
const withChecksum = { ETag: '"e"', 'x-amz-meta-neon-crc32c': crc32c(content).toString(16).padStart(8, '0') };
const object = ok(withChecksum, content);
const range = (contentRange: string, body: Buffer): Answer => ok({ 'Content-Range': contentRange }, body, 206);
const page = (keys: readonly string[], next?: string): string =>
  `<ListBucketResult><Name>neon</Name><IsTruncated>${next !== undefined}</IsTruncated>${
    next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`
  }${keys.map((name) => `<Contents><Key>${name}</Key><Size>3</Size></Contents>`).join('')}</ListBucketResult>`;
const deleted = (...keys: readonly string[]): Answer =>
  xml(`<DeleteResult>${keys.map((name) => `<Deleted><Key>${name}</Key></Deleted>`).join('')}</DeleteResult>`);
async function listed(asked: S3ObjectStore): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const each of asked.list(ObjectPrefix.parse(''))) found.push(each);
  return found;
}
const methods = (): string[] => server.requests.map(({ method }) => method);
const metadataOf = (request: ReceivedRequest | undefined): Record<string, string> => ({
  'x-amz-meta-neon-put': String(request?.headers['x-amz-meta-neon-put']),
  ETag: '"e"',
});

describe('R1: what may pass is tried again', () => {
  it.each<[string, Answer]>([
    ['InternalError', status(500, 'InternalError')],
    ['SlowDown', status(503, 'SlowDown')],
    ['a gateway without a body', status(502)],
    ['too many requests', status(429, 'TooManyRequests')],
    ['RequestTimeout, which has status 400', status(400, 'RequestTimeout')],
    ['a digest that does not match', status(400, 'BadDigest')],
    ['a body that was cut on its way', status(400, 'IncompleteBody')],
    ['another conditional write at the same time', status(409, 'ConditionalRequestConflict')],
    ['a connection that is reset', reset],
    ['no answer', hang],
    ['an answer without an etag', ok({})],
  ])('%s', async (_name, fault) => {
    const asked = fault === hang ? await open({}, impatience) : store;
    server.script([fault, fault, ok()]);
    await asked.put(key, content);
    expect(methods()).toEqual(['PUT', 'PUT', 'PUT']);
    expect(server.requests.map(({ body }) => body)).toEqual([content, content, content]);
  });

  it('a connection that is reset while the body goes out', async () => {
    const bytes = Buffer.alloc(MULTIPART_SIZE_MIN, 7);
    server.script([early(reset), early(reset), ok()]);
    await store.put(key, bytes);
    expect(methods()).toEqual(['PUT', 'PUT', 'PUT']);
    expect(server.requests[2]?.body.equals(bytes)).toBe(true);
  });

  it.each(['end', 'reset', 'silence'] as const)('a body that is cut short, with %s', async (then) => {
    const asked = await open({}, impatience);
    const cut = (body: Buffer, headers: Readonly<Record<string, string>> = {}): Answer =>
      partial(body.length, body.subarray(0, -2), then, headers);
    const part = { 'Content-Range': 'bytes 2-6/16' };
    server.script([cut(content, withChecksum), object]);
    expect((await asked.get(key))?.bytes).toEqual(content);
    server.script([cut(content.subarray(2, 7), part), ok(part, content.subarray(2, 7), 206)]);
    expect(await asked.getRange(key, { offset: 2, length: 5 })).toEqual(content.subarray(2, 7));
    server.script([cut(Buffer.from(page(['p/a', 'p/b']))), xml(page(['p/a', 'p/b']))]);
    expect(await listed(asked)).toHaveLength(2);
  });

  it('a list that was cut by somebody who announced what is left', async () => {
    const whole = page(['p/a', 'p/b']);
    const cuts = ['<Contents><Key>p/b', '</Contents></List', '</ListBucketResult>'].map((at) => whole.indexOf(at));
    for (const end of [...cuts, 0]) {
      server.script([ok({}, whole.slice(0, end)), xml(whole)]);
      expect(await listed(store)).toHaveLength(2);
      expect(methods()).toEqual(['GET', 'GET']);
    }
  });

  it('so many times, and then it is Unavailable', async () => {
    server.script([], status(500, 'InternalError'));
    const putting = store.put(key, content);
    await expect(putting).rejects.toThrow(Unavailable);
    await expect(putting).rejects.toThrow(/^s3:\/\/neon\/p\/a\/b: InternalError: .*status 500.*after 4 attempts$/);
    expect(methods()).toEqual(['PUT', 'PUT', 'PUT', 'PUT']);
  });

  it('a server that is not there is Unavailable', async () => {
    const away = await open({ endpoint: 'http://127.0.0.1:9' });
    await expect(away.get(key)).rejects.toThrow(Unavailable);
    await expect(away.get(key)).rejects.toThrow('ECONNREFUSED');
  });

  it('a server that never answers is Unavailable, in bounded time', async () => {
    const asked = await open({}, { answerMs: 100 });
    server.script([], hang);
    await expect(asked.head(key)).rejects.toThrow('no answer within 100 ms, after 4 attempts');
  });

  it('a clock that is wrong is set by the answer', async () => {
    const skewed = await open();
    const Date_ = new Date(Date.now() + 3_600_000).toUTCString();
    server.script([status(403, 'RequestTimeTooSkewed', { Date: Date_ }), ok()]);
    await skewed.put(key, content);
    const [first, second] = server.requests.map(({ headers }) => String(headers['x-amz-date']));
    expect(Number(second?.slice(0, 8) + String(second?.slice(9, 11)))).not.toBe(
      Number(first?.slice(0, 8) + String(first?.slice(9, 11))),
    );
  });
});

describe('R4: an attempt that failed', () => {
  it('keeps no connection to a server that has answered and does not read on', async () => {
    const connections: Socket[] = [];
    const stubborn = createServer((socket) => {
      connections.push(socket);
      socket.on('error', () => undefined);
      socket.once('data', () => socket.pause().write('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'));
    }).listen(0, '127.0.0.1');
    await once(stubborn, 'listening');
    const asked = await open({ endpoint: `http://127.0.0.1:${(stubborn.address() as AddressInfo).port}` });
    await expect(asked.put(key, Buffer.alloc(MULTIPART_SIZE_MIN))).rejects.toThrow('status 403');
    const [connection] = connections;
    await once(connection!.resume(), 'close');
    expect(connection!.bytesRead).toBeLessThan(MULTIPART_SIZE_MIN);
    stubborn.close();
  });
  it('leaves a connection whose answer was read to the next', async () => {
    const asked = await open();
    const before = server.connectionCount;
    server.script([status(500, 'InternalError'), status(503), status(404, 'NoSuchKey'), status(403, 'AccessDenied')]);
    expect(await asked.get(key)).toBeNull();
    await expect(asked.put(key, content)).rejects.toThrow('AccessDenied');
    expect(server.connectionCount - before).toBe(1);
  });
});

describe('what will not pass is not tried again', () => {
  it.each<[string, Answer]>([
    ['AccessDenied', status(403, 'AccessDenied')],
    ['InvalidAccessKeyId', status(403, 'InvalidAccessKeyId')],
    ['NoSuchBucket', status(404, 'NoSuchBucket')],
    ['PermanentRedirect', status(301, 'PermanentRedirect')],
    ['InvalidRequest', status(400, 'InvalidRequest')],
  ])('%s is Unavailable after one attempt, for a put, a get and a list', async (name, fault) => {
    for (const run of [
      () => store.put(key, content),
      () => store.get(key),
      () => store.list(ObjectPrefix.parse('')).next(),
      () => store.delete(key),
      () => store.deleteMany([key]),
    ]) {
      server.script([fault]);
      const running = run();
      await expect(running).rejects.toThrow(Unavailable);
      await expect(running).rejects.toThrow(name);
      expect(server.requests).toHaveLength(1);
    }
  });

  it('what a server says before it has read the body, and then ends the connection', async () => {
    server.script([early(status(403, 'AccessDenied', { Connection: 'close' }))]);
    await expect(store.put(key, Buffer.alloc(MULTIPART_SIZE_MIN))).rejects.toThrow(/AccessDenied/);
    expect(methods()).toEqual(['PUT']);
  });

  it('NotImplemented is a refusal', async () => {
    server.script([status(501, 'NotImplemented')]);
    await expect(store.put(key, content, { ifAbsent: true })).rejects.toMatchObject({
      code: 'NotSupportedByObjectStore',
    });
    expect(server.requests).toHaveLength(1);
  });

  it('no error repeats a secret', async () => {
    server.script([], status(403, 'SignatureDoesNotMatch'));
    await expect(store.get(key)).rejects.not.toThrow(/hunter2/);
    expect(store.description).toBe(`s3://neon/p at ${server.endpoint}`);
  });
});

describe('S5: only NoSuchKey is an absence', () => {
  const notFound = ok({ 'Content-Type': 'text/html' }, '<html><body>Not found</body></html>', 404);

  it('NoSuchKey is', async () => {
    server.script([status(404, 'NoSuchKey')]);
    expect(await store.get(key)).toBeNull();
    expect(methods()).toEqual(['GET']);
  });
  it('status 404 of a HEAD is, when the bucket is there', async () => {
    server.script([status(404), ok({})]);
    expect(await store.head(key)).toBeNull();
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['HEAD /neon/p/a/b', 'HEAD /neon/']);
  });
  it('status 404 of a HEAD is not, when the bucket is missing', async () => {
    server.script([status(404), status(404)]);
    const asking = store.head(key);
    await expect(asking).rejects.toThrow(Unavailable);
    await expect(asking).rejects.toThrow('the bucket neon does not exist');
  });
  it('a page of a web server is not', async () => {
    server.script([], notFound);
    await expect(store.get(key)).rejects.toThrow(Unavailable);
    await expect(store.getRange(key, { offset: 0, length: 1 })).rejects.toThrow(Unavailable);
    await expect(store.delete(key)).rejects.toThrow(Unavailable);
  });
  it('nor is the front page of one an empty list', async () => {
    server.script([], ok({ 'Content-Type': 'text/html' }, '<html><body>Welcome</body></html>'));
    await expect(store.list(ObjectPrefix.parse('')).next()).rejects.toThrow(Unavailable);
  });
});

describe('S3, B2: a put that must not replace', () => {
  it('sends the condition, and a conflict is ObjectExists', async () => {
    server.script([status(412, 'PreconditionFailed')]);
    await expect(store.put(key, content, { ifAbsent: true })).rejects.toMatchObject({ code: 'ObjectExists' });
    expect(server.requests[0]?.headers['if-none-match']).toBe('*');
    expect(methods()).toEqual(['PUT']);
  });
  it('has won when its first attempt did and only the answer was lost', async () => {
    server.script([
      reset,
      status(412, 'PreconditionFailed'),
      (to) => ok(metadataOf(server.requests[0]))(to, request()),
    ]);
    const request = (): ReceivedRequest => server.requests[2]!;
    await store.put(key, content, { ifAbsent: true });
    expect(methods()).toEqual(['PUT', 'PUT', 'HEAD']);
  });
  it('has lost when another one was faster than its second attempt, with the same content too', async () => {
    server.script([
      reset,
      status(412, 'PreconditionFailed'),
      ok({ ...withChecksum, 'x-amz-meta-neon-put': 'another' }),
    ]);
    await expect(store.put(key, content, { ifAbsent: true })).rejects.toMatchObject({ code: 'ObjectExists' });
  });
  it('has lost when it met another conditional write, and that one won', async () => {
    server.script([
      status(409, 'ConditionalRequestConflict'),
      status(412, 'PreconditionFailed'),
      ok({ ...withChecksum, 'x-amz-meta-neon-put': 'another' }),
    ]);
    await expect(store.put(key, content, { ifAbsent: true })).rejects.toMatchObject({ code: 'ObjectExists' });
  });
  it('is Unavailable when that cannot be found out', async () => {
    server.script([reset, status(412, 'PreconditionFailed'), status(403)]);
    await expect(store.put(key, content, { ifAbsent: true })).rejects.toThrow(Unavailable);
  });
});

describe('S4, B1: checksums', () => {
  it('an upload carries CRC-32C of its content, for the server and for readers', async () => {
    server.script([ok()]);
    await store.put(key, content);
    const { headers } = server.requests[0]!;
    const checksum = Buffer.alloc(4);
    checksum.writeUInt32BE(crc32c(content));
    expect(headers['x-amz-checksum-crc32c']).toBe(checksum.toString('base64'));
    expect(headers['x-amz-meta-neon-crc32c']).toBe(checksum.toString('hex'));
    expect(headers['transfer-encoding']).toBeUndefined();
  });
  it('or MD5 and nothing newer, also of the keys to delete', async () => {
    const older = await open({ uploadChecksum: 'md5' });
    server.script([ok(), deleted('p/a/b')]);
    await older.put(key, content);
    await older.deleteMany([key]);
    for (const { headers, body } of server.requests) {
      expect(headers['content-md5']).toBe(createHash('md5').update(body).digest('base64'));
      expect(Object.keys(headers).filter((name) => /checksum/.test(name))).toEqual([]);
    }
  });
  it('content that does not match is Corrupt, and is not read again', async () => {
    server.script([ok(withChecksum, Buffer.from('what is archivee'))]);
    await expect(store.get(key)).rejects.toThrow(Corrupt);
    expect(server.requests).toHaveLength(1);
  });
  it('an object of somebody else is not verified', async () => {
    server.script([ok({ ETag: '"e"' }, content)]);
    expect(await store.get(key)).toEqual({ bytes: content, etag: '"e"', isVerified: false });
  });
});

it('an object that is too large is refused before it is read', async () => {
  server.script([partial(OBJECT_SIZE_MAX + 1, content, 'silence')]);
  await expect(store.get(key)).rejects.toMatchObject({ code: 'ObjectTooLarge' });
});

describe('ranges', () => {
  const ask = () => store.getRange(key, { offset: 2, length: 3 });
  it.each<[string, Answer]>([
    ['all of it is behind the end', status(416, 'InvalidRange')],
    ['some of it is', range('bytes 2-3/4', Buffer.from('cd'))],
  ])('are refused when %s', async (_name, answer) => {
    server.script([answer]);
    await expect(ask()).rejects.toMatchObject({ code: 'RangeOutsideObject' });
    expect(server.requests[0]?.headers.range).toBe('bytes=2-4');
  });
  it('are given when they are what was asked for', async () => {
    server.script([range('bytes 2-4/9', Buffer.from('cde'))]);
    expect(await ask()).toEqual(Buffer.from('cde'));
  });
  it('are not taken for what was not asked for', async () => {
    server.script([], range('bytes 0-8/9', Buffer.from('abcdefghi')));
    await expect(ask()).rejects.toThrow(Unavailable);
  });
  it('are not supported by a server that ignores them', async () => {
    server.script([object]);
    await expect(ask()).rejects.toMatchObject({ code: 'NotSupportedByObjectStore' });
  });
});

describe('R3: an abort ends at once, with its reason,', () => {
  const reason = new Error('enough');
  it.each<[string, Answer]>([
    ['an attempt', hang],
    ['a body', partial(1000, content, 'silence')],
    ['a pause', status(500, 'InternalError')],
  ])('%s', async (_name, answer) => {
    const asked = await open({}, { answerMs: 60_000, backoffMs: 60_000, backoffMsMax: 60_000 });
    server.script([], answer);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const started = performance.now();
    await expect(asked.get(key, { signal: controller.signal })).rejects.toBe(reason);
    expect(performance.now() - started).toBeLessThan(30_000);
  });
});

describe('U1–U3: in parts', () => {
  const large = Buffer.alloc(MULTIPART_SIZE_MIN + 1, 7);
  const begun = xml('<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>');
  const done = xml('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
  const stepOf = ({ method, path }: ReceivedRequest): string => {
    if (path.includes('uploads')) return 'begin';
    if (method === 'DELETE') return 'abort';
    return method === 'PUT' ? 'part' : method === 'HEAD' ? 'head' : 'complete';
  };
  const steps = (): string[] => server.requests.map(stepOf);
  /** Answers by step: parts go out at once, in no certain order. */
  const answering =
    (special: Partial<Record<string, Answer>> = {}): Answer =>
    (response, request) => {
      const usual: Record<string, Answer> = {
        begin: begun,
        part: ok(),
        complete: done,
        abort: status(204),
        head: ok(),
      };
      const step = stepOf(request);
      (special[step] ?? usual[step])?.(response, request);
    };

  it('every part has a checksum, the whole has one, and the condition comes with the last request', async () => {
    server.script([], answering());
    await store.put(key, large, { ifAbsent: true });
    expect(steps()).toEqual(['begin', 'part', 'part', 'part', 'complete']);
    const parts = server.requests.filter((request) => stepOf(request) === 'part');
    expect(parts.map(({ body }) => body.length).sort((a, b) => a - b)).toEqual([1, PART_SIZE, PART_SIZE]);
    for (const { headers, body } of parts) {
      const checksum = Buffer.alloc(4);
      checksum.writeUInt32BE(crc32c(body));
      expect(headers['x-amz-checksum-crc32c']).toBe(checksum.toString('base64'));
    }
    const complete = server.requests.at(-1);
    expect(complete?.headers['if-none-match']).toBe('*');
    expect(complete?.headers['x-amz-checksum-type']).toBe('FULL_OBJECT');
    expect(complete?.body.toString()).toMatch(/<PartNumber>1<.*<PartNumber>2<.*<PartNumber>3</s);
  });
  it('one part that fails for good ends it, and the upload is aborted', async () => {
    server.script([], answering({ part: status(403, 'AccessDenied') }));
    await expect(store.put(key, large)).rejects.toThrow(/AccessDenied/);
    expect(steps().at(-1)).toBe('abort');
    expect(steps()).not.toContain('complete');
    expect(server.requests.at(-1)?.path).toContain('uploadId=u');
  });
  it('an abort of the caller aborts the upload', async () => {
    server.script([], answering({ part: hang }));
    const controller = new AbortController();
    const reason = new Error('enough');
    const putting = store.put(key, large, { signal: controller.signal });
    const outcome = expect(putting).rejects.toBe(reason);
    while (!steps().includes('part')) await sleep(10);
    controller.abort(reason);
    await outcome;
    expect(steps().at(-1)).toBe('abort');
  });
  it('U3: but not while its end may be under way at the server', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    server.script([], answering({ complete: () => controller.abort(reason) }));
    await expect(store.put(key, large, { signal: controller.signal })).rejects.toBe(reason);
    expect(steps()).not.toContain('abort');
    let completions = 0;
    const complete: Answer = (response, request) =>
      (++completions === 1 ? reset : status(403, 'AccessDenied'))(response, request);
    server.script([], answering({ complete }));
    await expect(store.put(key, large)).rejects.toThrow(/AccessDenied/);
    expect(steps()).not.toContain('abort');
  });
  it('a refusal of its end aborts the upload', async () => {
    server.script([], answering({ complete: status(400, 'InvalidPart') }));
    await expect(store.put(key, large)).rejects.toThrow(/InvalidPart/);
    expect(steps().slice(-2)).toEqual(['complete', 'abort']);
  });
  it('a conflict at its end is ObjectExists, and the upload is aborted', async () => {
    server.script([], answering({ complete: status(412, 'PreconditionFailed') }));
    await expect(store.put(key, large, { ifAbsent: true })).rejects.toThrow(Refusal);
    expect(steps().slice(-2)).toEqual(['complete', 'abort']);
  });
  it('B2: an upload that is gone when its end is repeated was done, if the object is its own', async () => {
    let completions = 0;
    const complete: Answer = (response, request) =>
      (++completions === 1 ? reset : status(404, 'NoSuchUpload'))(response, request);
    const head: Answer = (response, request) => ok(metadataOf(server.requests[0]))(response, request);
    server.script([], answering({ complete, head }));
    await store.put(key, large);
    expect(steps().filter((step) => step === 'complete')).toHaveLength(2);
  });
  it('a server may put the parts together for as long as their bytes take', async () => {
    const asked = await open({}, impatience);
    const complete: Answer = (response, request) =>
      void setTimeout(() => done(response, request), 2 * impatience.answerMs);
    server.script([], answering({ complete }));
    await asked.put(key, large);
    expect(steps().filter((step) => step === 'complete')).toHaveLength(1);
  });
  it('an error in the body of an answer that begins with status 200 is an error', async () => {
    server.script([], answering({ complete: xml('<Error><Code>InternalError</Code><Message>late</Message></Error>') }));
    await expect(store.put(key, large)).rejects.toThrow(Unavailable);
    expect(steps().at(-1)).toBe('complete');
  });
});

describe('many at once', () => {
  it('objects that stay after a deletion are asked for again, and then it is Unavailable', async () => {
    const stays = xml(
      '<DeleteResult><Error><Key>p/a/b</Key><Code>InternalError</Code><Message>no</Message></Error></DeleteResult>',
    );
    server.script([stays, deleted('p/a/b')]);
    await store.deleteMany([key]);
    server.script([], stays);
    await expect(store.deleteMany([key])).rejects.toThrow(/1 stay, the first p\/a\/b: InternalError/);
  });
  it.each<[string, Answer]>([
    ['nothing', ok({})],
    ['the front page of a web server', ok({ 'Content-Type': 'text/html' }, '<html><body>Welcome</body></html>')],
    ['others', deleted('p/a/c')],
  ])('B3: an answer that names %s deletes nothing', async (_name, answer) => {
    server.script([], answer);
    const deleting = store.deleteMany([key]);
    await expect(deleting).rejects.toThrow(Unavailable);
    await expect(deleting).rejects.toThrow('the answer does not say that p/a/b is deleted, after 4 attempts');
  });
  it('a list goes on where its page ended, and leaves out what is not ours', async () => {
    server.script([xml(page(['p/', 'p/a', 'p/a b'], 'more')), status(503, 'SlowDown'), xml(page(['p/c']))]);
    expect(await listed(store)).toEqual([
      { key: 'a', size: 3 },
      { key: 'c', size: 3 },
    ]);
    expect(server.requests[2]?.path).toContain('continuation-token=more');
    expect(server.requests[0]?.path).toContain('prefix=p%2F');
  });
});

it('without a region and without an endpoint it says what to do', async () => {
  const { AWS_REGION, AWS_CONFIG_FILE } = process.env;
  delete process.env['AWS_REGION'];
  process.env['AWS_CONFIG_FILE'] = '/nowhere';
  try {
    await expect(S3ObjectStore.open({ bucket: 'neon', prefix: '' })).rejects.toThrow(/\?region=/);
  } finally {
    if (AWS_REGION !== undefined) process.env['AWS_REGION'] = AWS_REGION;
    if (AWS_CONFIG_FILE === undefined) delete process.env['AWS_CONFIG_FILE'];
    else process.env['AWS_CONFIG_FILE'] = AWS_CONFIG_FILE;
  }
});
