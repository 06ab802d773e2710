#!/bin/bash
# SPDX-License-Identifier: MIT
# `make run`: serves in front of $UPSTREAM, or, without one, of a mock node that this script
# starts. Both end with Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
block=(${FORK_BLOCK:+--fork-block "$FORK_BLOCK"})
listen=${LISTEN:-127.0.0.1:8545}

# By the environment: a command line can be seen by others, and the URL may hold a key.
if [ -n "${UPSTREAM:-}" ]; then
	unset BUILD
	FORKCACHE_UPSTREAM=$UPSTREAM exec "$build/forkcache" serve \
		"${block[@]}" --listen "$listen"
fi

folder=$(mktemp -d)
children=()
finish() {
	[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
	wait
	rm -rf "$folder"
}
trap finish EXIT
trap 'exit 0' INT TERM

# Starts a program and waits for its line "... listening on ADDRESS:PORT ..."; $line has it.
start() {
	local out
	mkfifo "$folder/out"
	"$@" >"$folder/out" &
	children+=($!)
	exec {out}<"$folder/out"
	rm "$folder/out"
	IFS= read -r line <&"$out" || exit 1
}
sample() {
	grep -o "\"$1\":\"[^\"]*\"" <<<"$samples" | cut -d'"' -f4
}
address() {
	local rest=${line#* listening on }
	echo "${rest%% *}"
}

start "$build/mock-node"
echo "No UPSTREAM is given: this serves a small made-up chain. $line"
FORKCACHE_UPSTREAM=http://$(address) start "$build/forkcache" serve \
	"${block[@]}" --listen "$listen" --cache-dir "$build/demo-cache"
url=http://$(address)
samples=$("$build/mock-node" --print-samples)
cat <<END
$line

A balance, a storage slot, and a contract's code (the second time, from the cache):

curl -s $url -H 'Content-Type: application/json' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["$(sample eoa)","latest"]}'

curl -s $url -H 'Content-Type: application/json' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"eth_getStorageAt","params":["$(sample reader)","$(sample slot)","latest"]}'

curl -s $url -H 'Content-Type: application/json' \\
  -d '{"jsonrpc":"2.0","id":1,"method":"eth_getCode","params":["$(sample token)","latest"]}'

curl -s $url/metrics

Ctrl-C ends both. For a real chain: make run UPSTREAM=https://...
END
wait -n || true
