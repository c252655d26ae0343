#!/bin/sh
# See to it that there is a Redis server for the tests of clusters: install the system's package where that is allowed.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

# The names that tests/cluster/servers.py looks for.
for name in redis-server valkey-server; do
    command -v $name >/dev/null 2>&1 && exit 0
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    fail "The cluster's tests need redis-server (or valkey-server) on the PATH: install it with the system's package manager."
fi

echo "Installing Redis with apt-get"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if apt-get update >"$log" 2>&1 </dev/null &&
    apt-get install -y --no-install-recommends redis-server >"$log" 2>&1 </dev/null; then
    rm "$log"
    exit 0
fi
tail -n 3 "$log" >&2
rm "$log"
fail "Redis is missing, and apt-get could not install it; its own message is above."
