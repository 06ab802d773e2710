#!/bin/bash
# SPDX-License-Identifier: MIT
# What holds for every file: a licence line first, a bounded size, no banned function, no
# place that exists on one machine only; and README's tour names files that are there.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
complain() {
	echo "$1" >&2
	failed=1
}

lines_max=600
while read -r file; do
	head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT' ||
		complain "$file: the first line is SPDX-License-Identifier: MIT"
	[ "$(wc -l <"$file")" -lt $lines_max ] ||
		complain "$file: $lines_max lines or more: which of its ideas can have a file of its own?"
done < <(git ls-files '*.c' '*.h' '*.def' '*.sh' '*.py' Makefile .ci/run)

# Those that base/check.h poisons, where it is not included; and alloca by its other name.
while IFS= read -r found; do
	complain "$found: banned"
done < <(git grep -nwE '(v?sprintf|strcpy|strcat|strtok|atoi|atol|gets|alloca|__builtin_alloca) *\(' \
	-- '*.c' '*.h' ':!src/base/check.h')
while IFS= read -r found; do
	complain "$found: REQUIRE or CHECK (base/check.h), or a test's own assert"
done < <(git grep -nE '^#include <assert\.h>' -- '*.c' '*.h')

while IFS= read -r found; do
	complain "$found: a path or host of one machine"
done < <(git grep -nIE '(^|[^A-Za-z0-9._-])/(work|root|farm)/|(registry|proxy|index)\.[a-z.-]*(npmjs|golang|pypi|docker)' \
	-- . ':!*.lock' ':!*package-lock.json' ':!scripts/check-tree.sh')

# `src/rpc/server.c` in README and docs must exist.
while read -r file name; do
	[ -e "$name" ] || complain "$file: there is no $name"
done < <(grep -HoE '\b(src|mocks|tests|scripts|config|docs|include|bench|\.ci)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]' \
	README.md docs/*.md 2>/dev/null | sed 's/:/ /' | sort -u)
exit $failed
