#!/bin/sh
# Print the path of a Python that fastsio can be built with, or say in one line why there is none.
#
#   find-python.sh         $PYTHON if set; else the newest supported version on the PATH
#   find-python.sh 3.12    that version, on the PATH or among those of pyenv and uv
set -eu

wanted=${1:-}
reason=

# Print the interpreter's own path, or the reason why it will not do.
probe='
import os, sys, sysconfig
found = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    sys.exit("is Python %s, and fastsio needs 3.11 or newer." % found)
if sys.argv[1] and found != sys.argv[1]:
    sys.exit("is Python %s, not %s." % (found, sys.argv[1]))
if sys.implementation.name != "cpython":
    sys.exit("is %s, and fastsio needs CPython." % sys.implementation.name)
try:
    import ensurepip, venv
except ImportError:
    sys.exit("has no venv module (on Debian and Ubuntu: apt-get install python%s-venv)." % found)
if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
    sys.exit("has no C headers, Python.h (on Debian and Ubuntu: apt-get install python%s-dev)." % found)
print(sys.executable)
'

# Print and leave if $1 will do. Why a new enough one would not is kept: the user can mend that.
try() {
    command -v "$1" >/dev/null 2>&1 || return 0
    if answer=$("$1" -c "$probe" "$wanted" 2>&1); then
        echo "$answer"
        exit 0
    fi
    case $answer in
        "has no "*) [ -n "$reason" ] || reason="$1 $answer" ;;
    esac
}

fail() {
    echo "$*" >&2
    exit 1
}

if [ -z "$wanted" ] && [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON: there is no such program."
    answer=$("$PYTHON" -c "$probe" "" 2>&1) || fail "PYTHON=$PYTHON ${answer##*
}"
    echo "$answer"
    exit 0
fi

for version in ${wanted:-3.13 3.12 3.11}; do
    try "python$version"
done
try python3
try python
for version in ${wanted:-3.13 3.12 3.11}; do
    for python in \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python \
        "$HOME/.local/share/uv/python/cpython-$version".*/bin/python"$version"; do
        try "$python"
    done
done
[ -z "$wanted" ] || fail "${reason:-None was found on this machine.}"
fail "${reason:-No Python 3.11 or newer was found (PYTHON=/path/to/python names one that is not on the PATH).}"
