#!/bin/sh
# Builds the page-fault shim into dist/native/ with the system's C compiler. Arguments are passed on to it.
set -eu
cd "$(dirname "$0")"
out=../dist/native
mkdir -p "$out"
${CC:-cc} -shared -fPIC -O2 -std=gnu11 -fvisibility=hidden -U_FORTIFY_SOURCE -Wall -Wextra -Werror "$@" \
  -o "$out/libneonpages.so.$$" page-shim.c presence.c claims.c arena.c agent.c wal-pace.c -ldl -lpthread
# Put in place at once: a running Postgres keeps the file it has mapped.
mv -f "$out/libneonpages.so.$$" "$out/libneonpages.so"
