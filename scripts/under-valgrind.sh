#!/bin/bash
# SPDX-License-Identifier: MIT
# under-valgrind.sh COMMAND...: runs the command with a $BUILD in which forkcache is a wrapper
# that starts the real one under valgrind. An error of memory is exit status 99.
set -euo pipefail
cd "$(dirname "$0")/.."
real=$(realpath "${BUILD:-build}")
wrapped=$real/valgrind

mkdir -p "$wrapped"
cat >"$wrapped/forkcache" <<END
#!/bin/sh
exec valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \\
	"$real/forkcache" "\$@"
END
chmod +x "$wrapped/forkcache"
ln -sf "$real/mock-node" "$wrapped/mock-node"
BUILD=$wrapped exec "$@"
