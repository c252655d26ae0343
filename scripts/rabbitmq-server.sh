#!/bin/sh
# See to it that there is a RabbitMQ server for the tests of managers: install the system's package where that is allowed.
set -eu

fail() {
    echo "$*" >&2
    exit 1
}

# The program that tests/cluster/rabbitmq.py looks for.
[ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    fail "The managers' tests need rabbitmq-server: install it with the system's package manager."
fi

echo "Installing RabbitMQ with apt-get"
export DEBIAN_FRONTEND=noninteractive
# The tests start it themselves: the package must not.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
log=$(mktemp)
if apt-get update >"$log" 2>&1 </dev/null &&
    apt-get install -y --no-install-recommends rabbitmq-server >"$log" 2>&1 </dev/null; then
    rm "$log"
    exit 0
fi
tail -n 3 "$log" >&2
rm "$log"
fail "RabbitMQ is missing, and apt-get could not install it; its own message is above."
