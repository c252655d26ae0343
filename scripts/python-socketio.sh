#!/bin/sh
# Install the release $2 of python-socketio, with what its clients need, below build/: for the tests, with the Python of the venv $1.
set -eu

python=$1/bin/python
folder=build/python-socketio-$2-$("$python" -c 'import sys; print(sys.implementation.cache_tag)')
[ ! -e "$folder/.complete" ] || exit 0
echo "Installing python-socketio $2"
rm -rf "$folder"
mkdir -p "$folder"
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    "python-socketio==$2" requests websocket-client aiohttp >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; echo "pip could not install python-socketio $2; its own message is above." >&2; exit 1; }
touch "$folder/.complete"
