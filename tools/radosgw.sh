#!/bin/sh
# A Ceph object gateway on this machine, to run `./neon verify object-store` against a real S3 server.
#
#   tools/radosgw.sh start DIRECTORY [PORT]   makes a cluster in DIRECTORY (one monitor, one OSD in memory, one gateway on 127.0.0.1:PORT)
#                                             and a bucket, and prints how to reach it
#   tools/radosgw.sh stop DIRECTORY           stops it and removes DIRECTORY: nothing in it is worth keeping
#
# Needs Debian's packages: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd curl openssl
# The cluster keeps up to 8 GiB in memory while it runs. Ports PORT, PORT + 1 and PORT + 2 and those from 6800 on are used.
set -eu

fail() {
  echo "radosgw.sh: $1" >&2
  exit 1
}
[ $# -ge 2 ] || fail "usage: $0 start DIRECTORY [PORT] | stop DIRECTORY"
action=$1
directory=$(realpath -m "$2")
port=${3:-7480}
configuration=$directory/ceph.conf
access_key=neon
secret_key=neon-secret
bucket=neon

stop() {
  [ -f "$configuration" ] || fail "no cluster in $directory"
  for daemon in client.admin osd.0 mon.a; do
    [ -f "$directory/$daemon.pid" ] || continue
    pid=$(cat "$directory/$daemon.pid")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$directory"
}

configure() {
  cat >"$configuration" <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = $directory
log file = $directory/\$name.log
admin socket = $directory/\$name.asok
pid file = $directory/\$name.pid
keyring = $directory/keyring
mon data = $directory/mon
osd data = $directory/osd
rgw data = $directory
# One copy of everything, in memory, on one host.
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
rgw frontends = beast endpoint=127.0.0.1:$port
END
}

start() {
  for program in ceph ceph-mon ceph-osd ceph-authtool monmaptool radosgw radosgw-admin curl openssl; do
    command -v $program >/dev/null || fail "$program is missing: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd curl openssl"
  done
  [ ! -e "$configuration" ] || fail "there is a cluster in $directory already"
  mkdir -p "$directory/mon" "$directory/osd"
  configure
  keyring=$directory/keyring
  ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' >/dev/null
  ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >/dev/null
  monmaptool --create --fsid "$(sed -n 's/^fsid = //p' "$configuration")" \
    --addv a "[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]" "$directory/monmap" >/dev/null

  echo "starting the monitor" >&2
  ceph-mon -c "$configuration" -i a --mkfs --monmap "$directory/monmap" --keyring "$keyring"
  ceph-mon -c "$configuration" -i a
  echo "starting the OSD" >&2
  osd_id=$(cat /proc/sys/kernel/random/uuid)
  ceph -c "$configuration" --connect-timeout 30 osd new "$osd_id" >/dev/null
  ceph -c "$configuration" auth import -i "$keyring" 2>/dev/null
  ceph-osd -c "$configuration" -i 0 --mkfs --osd-uuid "$osd_id" 2>/dev/null
  ceph-osd -c "$configuration" -i 0 2>/dev/null
  echo "starting the gateway (its first start makes pools: some seconds)" >&2
  radosgw -c "$configuration" -n client.admin
  for _ in $(seq 120); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 1; done
  curl -s -o /dev/null "http://127.0.0.1:$port/" || fail "the gateway does not answer: see $directory/client.admin.log"
  radosgw-admin -c "$configuration" user create --uid=neon --display-name=neon \
    --access-key=$access_key --secret=$secret_key >/dev/null 2>&1 || fail "the gateway did not make a user"
  make_bucket
}

# A bucket is made by an empty signed PUT: signature version 2 needs no more than openssl.
make_bucket() {
  date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
  signature=$(printf 'PUT\n\n\n%s\n/%s' "$date" $bucket | openssl dgst -sha1 -hmac $secret_key -binary | base64)
  status=$(curl -s -o /dev/null -w '%{http_code}' -X PUT -H "Date: $date" -H "Authorization: AWS $access_key:$signature" \
    "http://127.0.0.1:$port/$bucket")
  [ "$status" = 200 ] || fail "the gateway did not make a bucket: status $status"
}

case $action in
start)
  start
  cat <<END
export AWS_ACCESS_KEY_ID=$access_key AWS_SECRET_ACCESS_KEY=$secret_key
./neon verify object-store --url 's3://$bucket?endpoint=http://127.0.0.1:$port&region=default&forcePathStyle=true'
END
  ;;
stop) stop ;;
*) fail "start or stop" ;;
esac
