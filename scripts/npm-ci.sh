#!/bin/sh
# Install the npm packages of the folder $1 from its lock file; nothing to do if they are there.
set -eu

folder=$1
stamp=$folder/node_modules/.fastsio
state=$(cat "$folder/package.json" "$folder/package-lock.json" | cksum)
[ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || exit 0

fail() {
    echo "$*" >&2
    exit 1
}

for tool in node npm; do
    command -v $tool >/dev/null 2>&1 || fail "$tool is not on the PATH: $folder needs Node.js with npm."
done
least=$(sed -n 's/.*"node": *">=\([0-9]*\)".*/\1/p' "$folder/package.json")
[ "$(node -p 'parseInt(process.versions.node)')" -ge "${least:-0}" ] ||
    fail "Node.js is $(node --version), and $folder needs $least or newer."
echo "Installing the npm packages of $folder"
(cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >/dev/null) ||
    fail "npm could not install the packages of $folder; its own message is above."
echo "$state" >"$stamp"
