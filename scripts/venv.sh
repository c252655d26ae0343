#!/bin/sh
# Make the virtual environment $1 with the project in it (editable) and the extras $2; at once if it is there.
set -eu

venv=$1
extras=$2
stamp=$venv/.fastsio
what="import sys; print(sys.version)"

fail() {
    echo "$*" >&2
    exit 1
}

# A venv knows its own path and the project's: one that was copied or moved must be made anew.
if [ "$(sed -n 1p "$stamp" 2>/dev/null)" != "$PWD/$venv" ] && [ -e "$stamp" ]; then
    keep=no
elif ! version=$("$venv/bin/python" -c "$what" 2>/dev/null); then
    keep=no
elif [ -n "${PYTHON:-}" ]; then
    python=$(scripts/find-python.sh)
    [ "$("$python" -c "$what")" = "$version" ] && keep=yes || keep=no
else
    keep=yes
fi

# Only the linters' and pytest's settings come below [tool.pytest.
state="$PWD/$venv
$extras $(sed '/^\[tool\.pytest/,$d' pyproject.toml | cksum)"
[ $keep = no ] || [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || exit 0

if [ $keep = yes ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$venv/bin/python
else
    python=$(scripts/find-python.sh)
    keep=no
fi
compiler=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}
command -v "${compiler%% *}" >/dev/null 2>&1 ||
    fail "No C compiler: ${compiler%% *} is not on the PATH (on Debian and Ubuntu: apt-get install gcc libc6-dev)."

echo "Preparing $venv with $("$python" -V) ($python); this takes a minute"
[ $keep = yes ] || "$python" -m venv --clear "$venv" || fail "$python could not make the venv; its own message is above."
rm -f "$stamp"

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check -qq "$@" ||
        fail "pip could not install what $venv needs; its own message is above."
}
"$venv/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], sep="\n")
' >"$venv/build-requires.txt"
pip install --upgrade pip -r "$venv/build-requires.txt"
pip install --no-build-isolation --editable ".[$extras]"
echo "$state" >"$stamp"
