/** Our operations against the file that Neon publishes with its client. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { NOT_IMPLEMENTED } from './not-implemented';
import { OPERATIONS } from './operations';

type Schema = {
  $ref?: string;
  allOf?: Schema[];
  oneOf?: Schema[];
  type?: string;
  required?: string[];
  properties?: Record<string, Schema>;
  items?: Schema;
};
type Response = { $ref?: string; content?: { 'application/json'?: { schema: Schema } } };
type Operation = {
  operationId: string;
  responses: Record<string, Response>;
  requestBody?: Body;
  parameters?: Parameter[];
};
type Body = { required?: boolean; content: { 'application/json': { schema: Schema } } };
type Parameter = { $ref?: string; name: string; in: string };
type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
};

const file = resolve(__dirname, '../../../../../node_modules/@neondatabase/api-client/public-v2-for-users.gen.yaml');
const published: Document = parse(readFileSync(file, 'utf8'));

const find = <T>(ref: string): T => {
  const [, , kind = '', name = ''] = ref.split('/');
  return published.components[kind]?.[name] as T;
};
const resolved = <T extends { $ref?: string }>(value: T): T => (value.$ref === undefined ? value : find<T>(value.$ref));

/** Paths of everything an object of the schema must have. */
function requiredPaths(given: Schema, at = ''): string[] {
  const schema = resolved(given);
  if (schema.allOf !== undefined) return schema.allOf.flatMap((part) => requiredPaths(part, at));
  if (schema.items !== undefined) return requiredPaths(schema.items, `${at}[]`);
  return (schema.required ?? []).flatMap((name) => {
    const property = schema.properties?.[name];
    const path = `${at}.${name}`;
    return [path, ...(property === undefined ? [] : requiredPaths(property, path))];
  });
}

const operationOf = (method: string, path: string): Operation | undefined =>
  published.paths[path]?.[method.toLowerCase()];

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Schema =>
  z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'openapi-3.0' }) as Schema;

describe('the public API', () => {
  it('names every published operation, as carried out or as not implemented, and no other', () => {
    const all = Object.entries(published.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { operationId }]) =>
        method === 'parameters' ? [] : [`${method.toUpperCase()} ${path} ${operationId}`],
      ),
    );
    const ours = [...OPERATIONS, ...NOT_IMPLEMENTED].map((each) => `${each.method} ${each.path} ${each.operationId}`);
    expect(ours.sort()).toEqual(all.sort());
  });

  it.each(OPERATIONS.map((operation) => [operation.operationId, operation] as const))(
    '%s answers with the published code and every required field',
    (_name, { method, path, status, answer, absentIsFine }) => {
      const responses = operationOf(method, path)?.responses ?? {};
      const response = responses[status];
      if (response === undefined) throw new Error(`no ${status} is published`);
      expect('204' in responses).toBe(absentIsFine ?? false);
      const theirs = resolved(response).content?.['application/json']?.schema ?? {};
      const ours = new Set(requiredPaths(schemaOf(answer, 'output')));
      // Organizations and linked accounts: their lists are empty here, so their items have no fields.
      const empty = /^\.(organizations|auth_accounts)\[\]/;
      expect(requiredPaths(theirs).filter((each) => !ours.has(each) && !empty.test(each))).toEqual([]);
    },
  );

  it.each(OPERATIONS.map((operation) => [operation.operationId, operation] as const))(
    '%s demands nothing that the published request does not',
    (_name, { method, path, body, bodyOptional, query }) => {
      const theirs = operationOf(method, path);
      expect(theirs?.requestBody === undefined).toBe(body === undefined);
      if (body !== undefined && theirs?.requestBody !== undefined) {
        expect(theirs.requestBody.required ?? false).toBe(bodyOptional !== true);
        const required = new Set(requiredPaths(theirs.requestBody.content['application/json'].schema));
        expect(requiredPaths(schemaOf(body, 'input')).filter((each) => !required.has(each))).toEqual([]);
      }
      const parameters = (theirs?.parameters ?? []).map(resolved).filter((each) => each.in === 'query');
      const known = Object.keys(query === undefined ? {} : (schemaOf(query, 'input').properties ?? {}));
      expect(known.sort()).toEqual(parameters.map(({ name }) => name).sort());
    },
  );
});
