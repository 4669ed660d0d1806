/**
 * Where an object store is, as one line of a configuration.
 *
 *   file:///var/lib/neon/objects
 *   s3://bucket
 *   s3://bucket/prefix?region=eu-central-1
 *   s3://bucket/prefix?endpoint=http://127.0.0.1:9000&forcePathStyle=true&uploadChecksum=md5
 *
 *   L1  A URL has no secrets, and is refused when it has some: it may be printed as it is.
 *   L2  What is not understood is refused, never ignored. A refusal names what is wrong and does not repeat values.
 */
import { Refusal } from '@neon/kernel';
import { KEY_SIZE_MAX, ObjectKey } from './object-key';
import type { S3Config } from './s3/s3-config';

export type ObjectStoreLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 's3'; readonly config: Omit<S3Config, 'credentials'> };

const PARAMETERS = ['endpoint', 'region', 'forcePathStyle', 'uploadChecksum'] as const;
type Parameter = (typeof PARAMETERS)[number];

/** @throws Refusal InvalidObjectStoreUrl */
export function parseObjectStoreUrl(text: string): ObjectStoreLocation {
  const url = urlOf(text);
  if (url.username !== '' || url.password !== '')
    throw invalid(
      'a URL has no credentials: they come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, from a profile, or from the machine',
    );
  if (url.hash !== '') throw invalid('a URL has no # in it');
  if (url.protocol === 'file:') return directoryOf(url);
  if (url.protocol === 's3:') return bucketOf(url);
  throw invalid('a URL begins with file:/// or s3://');
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) throw invalid('it is not a URL');
  return new URL(text);
}

function directoryOf(url: URL): ObjectStoreLocation {
  if (url.host !== '') throw invalid('a directory is file:/// and an absolute path, with three slashes');
  if (url.search !== '') throw invalid('a directory has no parameters');
  const path = decoded(url.pathname).replace(/\/+$/, '');
  if (path === '') throw invalid('the root of the file system is not a directory for objects');
  return { kind: 'directory', path };
}

function bucketOf(url: URL): ObjectStoreLocation {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/.test(url.host))
    throw invalid('after s3:// comes the name of a bucket, 3 to 63 letters, digits, dots and hyphens');
  const prefix = decoded(url.pathname).replace(/^\//, '').replace(/\/$/, '');
  if (prefix !== '' && !ObjectKey.is(prefix))
    throw invalid(
      `a prefix is made as a key is: up to ${KEY_SIZE_MAX} letters, digits and ._-+=@,:!'()* between single slashes`,
    );
  const values = parametersOf(url.searchParams);
  const endpoint = values.get('endpoint');
  const region = values.get('region');
  if (endpoint !== undefined) checkEndpoint(endpoint);
  if (region !== undefined && !/^[a-z0-9-]+$/i.test(region)) throw invalid('region is letters, digits and hyphens');
  return {
    kind: 's3',
    config: {
      bucket: url.host,
      prefix,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      forcePathStyle: oneOf(values, 'forcePathStyle', ['false', 'true']) === 'true',
      uploadChecksum: oneOf(values, 'uploadChecksum', ['crc32c', 'md5']),
    },
  };
}

function parametersOf(given: URLSearchParams): ReadonlyMap<Parameter, string> {
  const values = new Map<Parameter, string>();
  for (const [name, value] of given) {
    const parameter = PARAMETERS.find((known) => known === name);
    if (parameter === undefined) throw invalid(`there is no parameter ${name}: ${PARAMETERS.join(', ')} are known`);
    if (values.has(parameter)) throw invalid(`${parameter} is given twice`);
    values.set(parameter, value);
  }
  return values;
}

function checkEndpoint(text: string): void {
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol))
    throw invalid('endpoint is an http:// or https:// URL');
  if (endpoint.username !== '' || endpoint.password !== '') throw invalid('endpoint has no credentials');
  if (endpoint.search !== '' || endpoint.hash !== '') throw invalid('endpoint has no parameters');
}

/** The first one is the default. */
function oneOf<T extends string>(
  values: ReadonlyMap<Parameter, string>,
  name: Parameter,
  choices: readonly [T, ...T[]],
): T {
  const given = values.get(name);
  if (given === undefined) return choices[0];
  const choice = choices.find((known) => known === given);
  if (choice === undefined) throw invalid(`${name} is ${choices.join(' or ')}`);
  return choice;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid('its path is not well-formed');
  }
}

const invalid = (reason: string): Refusal =>
  new Refusal('InvalidObjectStoreUrl', `this is not the URL of an object store: ${reason}`);
