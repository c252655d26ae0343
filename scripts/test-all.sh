#!/bin/sh
# Run the tests on every supported Python of this machine, each in a venv of its own, and say which is missing.
set -u

failed=0
tested=0
report=
for version in 3.11 3.12 3.13; do
    if ! python=$(scripts/find-python.sh $version 2>&1); then
        report="$report
Python $version: NOT TESTED. $python"
        continue
    fi
    tested=$((tested + 1))
    echo "--- Python $version ($python)"
    if ${MAKE:-make} --no-print-directory test PYTHON="$python" VENV=".venv-$version" EXTRAS=test; then
        report="$report
Python $version: passed"
    else
        failed=$((failed + 1))
        report="$report
Python $version: FAILED"
    fi
done
echo "$report"
[ $failed -eq 0 ] && [ $tested -gt 0 ]
