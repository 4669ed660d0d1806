#!/bin/sh
# Builds the shim's test program with the address and undefined-behaviour sanitizers and runs it.
# Usage: run.sh [seconds of random work] [seed]
set -eu
cd "$(dirname "$0")"
directory=$(mktemp -d /tmp/page-shim-test-XXXXXX)
trap 'rm -rf "$directory"' EXIT
export TMPDIR="$directory"
${CC:-cc} -O1 -g -std=gnu11 -U_FORTIFY_SOURCE -fsanitize=address,undefined -fno-sanitize-recover=all -Wall -Wextra -Werror \
  -o "$directory/postgres" page-shim-test.c ../page-shim.c ../presence.c ../claims.c ../arena.c ../agent.c ../wal-pace.c -ldl -lpthread
ASAN_OPTIONS=detect_leaks=0 "$directory/postgres" "$@"
