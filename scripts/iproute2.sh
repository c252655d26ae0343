#!/bin/sh
# See to it that there are ip and tc for the tests with hosts in network namespaces: install the system's package where
# that is allowed. FASTSIO_NO_NETNS=1 leaves these tests out.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

[ "${FASTSIO_NO_NETNS:-}" = 1 ] && exit 0
command -v ip >/dev/null 2>&1 && command -v tc >/dev/null 2>&1 && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    fail "Tests with network namespaces need root and iproute2. FASTSIO_NO_NETNS=1 leaves them out (tests/cluster/test_cut.py)."
fi

echo "Installing iproute2 with apt-get"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if apt-get update >"$log" 2>&1 </dev/null &&
    apt-get install -y --no-install-recommends iproute2 >"$log" 2>&1 </dev/null; then
    rm "$log"
    exit 0
fi
tail -n 3 "$log" >&2
rm "$log"
fail "iproute2 is missing, and apt-get could not install it; its own message is above."
