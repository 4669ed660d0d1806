// Adds to package-lock.json the optional packages of other platforms (darwin, win32, …) that a registry without them
// makes npm leave out; `npm ci` refuses a lock file that lacks them.
//
//   node tools/complete-lockfile.mjs          after every `npm install`
//   node tools/complete-lockfile.mjs --check  fails when something is missing
import fs from 'node:fs';

const FILE = 'package-lock.json';
const OS_NAMES = new Set([
  'darwin',
  'win32',
  'linux',
  'freebsd',
  'openbsd',
  'netbsd',
  'sunos',
  'aix',
  'android',
  'openharmony',
]);
const CPU_NAMES = new Set([
  'arm64',
  'x64',
  'ia32',
  'arm',
  'ppc64',
  'riscv64',
  's390x',
  'loong64',
  'mips64el',
  'wasm32',
]);

const lock = JSON.parse(fs.readFileSync(FILE, 'utf8'));

/** Whether Node's lookup from the package at `location` would find `name`. */
function isResolved(location, name) {
  const folders = location === '' ? [] : location.split('/node_modules/');
  for (let depth = folders.length; depth >= 0; depth--) {
    const prefix = folders.slice(0, depth).join('/node_modules/');
    if (`${prefix === '' ? '' : `${prefix}/`}node_modules/${name}` in lock.packages) return true;
  }
  return false;
}

function entryOf(name, range, dev) {
  const words = name.split('/').at(-1).split('-');
  const os = words.filter((word) => OS_NAMES.has(word));
  const cpu = words.filter((word) => CPU_NAMES.has(word));
  const libc = os.includes('linux')
    ? words.flatMap((word) => (word.startsWith('musl') ? ['musl'] : word.startsWith('gnu') ? ['glibc'] : []))
    : [];
  return {
    version: range.replace(/^[\^~]/, ''),
    ...(cpu.length > 0 && { cpu }),
    ...(dev && { dev }),
    ...(libc.length > 0 && { libc }),
    optional: true,
    ...(os.length > 0 && { os }),
  };
}

const missing = {};
for (const [location, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!isResolved(location, name)) missing[`node_modules/${name}`] = entryOf(name, range, entry.dev);
  }
}

const count = Object.keys(missing).length;
if (count > 0 && process.argv.includes('--check')) {
  console.error(`package-lock.json lacks ${count} optional packages: run node tools/complete-lockfile.mjs`);
  process.exitCode = 1;
} else if (count > 0) {
  const { '': root, ...rest } = { ...lock.packages, ...missing };
  const sorted = Object.entries(rest).sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = { '': root, ...Object.fromEntries(sorted) };
  fs.writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(`${count} optional packages ${process.argv.includes('--check') ? 'missing' : 'added'}`);
