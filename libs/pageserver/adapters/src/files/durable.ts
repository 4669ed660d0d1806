/** Writing files so that they survive a power failure. */
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export const TEMPORARY = '.tmp';

/** Makes a directory's entries durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at)).bytesWritten;
}

export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
}

/** Replaces a file's content in one step. */
export async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}${TEMPORARY}`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await writeFully(handle, content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameDurably(temporary, path);
}
