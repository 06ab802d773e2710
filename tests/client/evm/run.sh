#!/bin/sh
# SPDX-License-Identifier: MIT
# A real EVM over libforkcache: ethereumjs executes recorded transactions (main.mjs).
#
#   BUILD=build CORPUS_DIR=... tests/client/evm/run.sh          (make check-evm)
#   ONLY='call_tracer|7702' tests/client/evm/run.sh
#
# ethereumjs and the FFI come from npm, in the versions of the lock file, into
# build/client/evm, once. Where they cannot be had the tests are skipped, in one line; with
# CI=true that is a failure. Without the recordings they are skipped, as all of tests/corpus is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
BUILD=${BUILD:-$root/build}
CORPUS_DIR=${CORPUS_DIR:-$root/../shared/data}
CLIENT_DIR=${CLIENT_DIR:-$root/build/client}/evm
export BUILD CORPUS_DIR CLIENT_DIR

skip() {
	if [ "${CI:-}" = true ]; then
		echo "EVM tests: $1" >&2
		exit 1
	fi
	echo "EVM tests: SKIPPED: $1"
	exit 0
}

install_packages() {
	mkdir -p "$CLIENT_DIR"
	cp "$here/package.json" "$here/package-lock.json" "$CLIENT_DIR"
	(cd "$CLIENT_DIR" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) &&
		cp "$here/package-lock.json" "$CLIENT_DIR/complete"
}

for program in libforkcache.so mock-node; do
	if [ ! -x "$BUILD/$program" ]; then
		echo "EVM tests: $BUILD/$program is not built" >&2
		exit 1
	fi
done
if [ ! -d "$CORPUS_DIR/geth-tracetest" ]; then
	echo "EVM tests: SKIPPED: no $CORPUS_DIR/geth-tracetest (set CORPUS_DIR)"
	exit 0
fi
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' ||
	skip "node $(node --version) is too old: ethereumjs needs 20"

if ! cmp -s "$here/package-lock.json" "$CLIENT_DIR/complete"; then
	echo "EVM tests: installing ethereumjs and koffi from npm, about 25 MB, once"
	install_packages || skip "npm ci failed"
fi

exec node "$here/main.mjs"
