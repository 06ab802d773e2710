#!/bin/bash
# SPDX-License-Identifier: MIT
# Who includes whom: base <- cache, base <- fork, {cache, fork} <- layers <- rpc <- cli, layers <- api, and
# each third-party header in one file only, so that a dependency can be replaced there.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() {
	echo "$1" >&2
	failed=1
}

declare -A may=(
	[base]="base"
	[cache]="base cache"
	[fork]="base fork"
	[layers]="base cache fork layers"
	[rpc]="base cache fork layers rpc"
	[api]="base cache fork layers api"
	[cli]="base cache fork layers rpc cli"
)
while IFS=: read -r file line text; do
	from=$(cut -d/ -f2 <<<"$file")
	to=$(sed -n 's|.*"\([a-z]*\)/.*|\1|p' <<<"$text")
	[ -z "$to" ] || [[ " ${may[$from]:-} " == *" $to "* ]] ||
		complain "$file:$line: src/$from may not include src/$to"
done < <(git grep -n '^#include "[a-z]*/' -- 'src/*.c' 'src/*.h' 'src/*.def')

# header (extended regular expression) | files that may include it, and why if several
allowed='
ares\.h           src/fork/resolver.c
cyaml/cyaml\.h    src/cli/options_yaml.c
curl/curl\.h      src/fork/multi_impl.h   # multi.c and multi_transfer.c: one module in two files
lmdb\.h           src/cache/env.h
nettle/[a-z0-9]*\.h  src/base/keccak.c
xxhash\.h         src/cache/keyhash.c
xxhash\.h         src/cache/record.c      # checksums of records, not of keys
xxhash\.h         src/rpc/method.c        # the table of methods knows no cache
zlib\.h           src/rpc/server_gzip.c
zstd\.h           src/cache/record.c
jansson\.h        src/cli/status.c
http_parser\.h    -                       # tests and mocks only
'
third_party=$(awk 'NF { printf "%s%s", sep, $1; sep = "|" }' <<<"$allowed")
while IFS=: read -r file line text; do
	header=${text#*<}
	header=${header%>*}
	awk -v file="$file" -v header="$header" \
		'NF && header ~ "^(" $1 ")$" && file == $2 { found = 1 } END { exit !found }' \
		<<<"$allowed" ||
		complain "$file:$line: <$header> belongs into another file; see scripts/check-layers.sh"
done < <(git grep -nE "^#include <($third_party)>" -- 'src/*')

# A header that is in neither list is one nobody has thought about.
system='(arpa|linux|net|netinet|sys)/[a-z]+|ctype|dirent|emmintrin|errno|fcntl|limits|malloc|math|netdb|pthread|sched|signal|'
system+='stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|unistd'
while IFS=: read -r file line text; do
	complain "$file:$line: $text: of which library? see scripts/check-layers.sh"
done < <(git grep -nE '^#include <' -- 'src/*' | grep -vE "<($third_party|($system)\.h)>")
exit $failed
