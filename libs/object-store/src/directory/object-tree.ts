/**
 * Where objects lie in the root directory, and the walk over them.
 *
 *   T1  `a/b/c` is the file `a/b/c~object`. `~` is in no key: so `a` (the file `a~object`) and `a/b` (in the directory `a`) do not
 *       meet, and what is written meanwhile, in `~writing`, is nobody's object.
 *   T2  The walk is in the order of the keys' bytes: a directory takes part in it as its name and a slash.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ObjectKey, type ObjectPrefix } from '../object-key';
import { codeOf } from './system-error';

const SUFFIX = '~object';
export const WRITING = '~writing';

export const pathOf = (root: string, key: ObjectKey): string => join(root, `${key}${SUFFIX}`);

/**
 * Keys that begin with `prefix`, after `after`, in order.
 *
 * @throws an error of the system, ENOENT when the root is missing
 */
export async function* keysIn(
  root: string,
  prefix: ObjectPrefix,
  after: string,
): AsyncGenerator<ObjectKey, void, void> {
  // A missing root is an error; a missing directory in it holds no object.
  const whole = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (whole !== '') await stat(root);
  yield* walk({ root, prefix, after }, whole);
}

interface Walk {
  readonly root: string;
  readonly prefix: string;
  readonly after: string;
}

/** @param directory '' or a path that ends in a slash */
async function* walk(walked: Walk, directory: string): AsyncGenerator<ObjectKey, void, void> {
  for (const name of await namesIn(walked.root, directory)) {
    const path = directory + name;
    if (name.endsWith('/')) {
      if (mayHold(walked, path)) yield* walk(walked, path);
    } else if (ObjectKey.is(path) && path.startsWith(walked.prefix) && path > walked.after) yield path;
  }
}

/** Whether keys below a directory can begin with the prefix and come after `after`. */
const mayHold = ({ prefix, after }: Walk, directory: string): boolean =>
  (directory.startsWith(prefix) || prefix.startsWith(directory)) && (directory > after || after.startsWith(directory));

/** The last segments of keys, and directories with a slash at their end, in order. */
async function namesIn(root: string, directory: string): Promise<string[]> {
  try {
    const entries = await readdir(join(root, directory), { withFileTypes: true });
    return entries
      .flatMap((entry) => {
        if (entry.isDirectory()) return entry.name === WRITING ? [] : [`${entry.name}/`];
        return entry.name.endsWith(SUFFIX) ? [entry.name.slice(0, -SUFFIX.length)] : [];
      })
      .sort();
  } catch (error) {
    // It went with its last object while the walk came near.
    if (directory !== '' && codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
