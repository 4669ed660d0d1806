#!/bin/sh
# Fetches source trees of Postgres into a directory: tools/fetch-postgres-sources.sh DIRECTORY
#
# `./neon verify redo --sources DIRECTORY` runs the tests in them. They come from Debian's source packages, through the mirror that
# this machine's apt uses; Debian carries a few majors at a time. Any other source tree (a clone of Postgres at a release tag, a
# release tarball) may be put beside them: the directory is searched for trees, and each major takes the nearest one.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
command -v apt-get >/dev/null || { echo "apt-get is needed; without it, put source trees into $1 yourself" >&2; exit 1; }
mkdir -p "$1"
cd "$1"

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 '/debian$') ||
  { echo "this machine's apt has no Debian mirror" >&2; exit 1; }
mkdir -p .apt/lists/partial .apt/cache/archives/partial
for suite in bookworm trixie sid; do echo "deb-src $mirror $suite main"; done >.apt/sources.list
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$PWD/.apt/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$PWD/.apt/lists" -o Dir::Cache="$PWD/.apt/cache" -o APT::Sandbox::User=root "$@"
}
apt update

for major in 14 15 16 17 18; do
  if apt source --download-only "postgresql-$major" >.apt/log 2>&1; then
    echo "Postgres $major: fetched"
  else
    echo "Postgres $major: not to be had here (the nearest other major's tests will be run)"
  fi
done
for archive in *.orig.tar.*; do tar xf "$archive"; done
rm -rf .apt ./*.orig.tar.* ./*.dsc ./*.debian.tar.*
ls -d postgresql-*
