#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what debian-packages.txt lists and this machine lacks. Says nothing when it lacks
# nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v dpkg-query >/dev/null; then
	echo "This is not Debian: the libraries and tools of debian-packages.txt must be there." >&2
	exit 0
fi

missing=()
while read -r package; do
	status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$package")
done < <(grep -v '^ *\(#\|$\)' debian-packages.txt)
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=()
elif command -v sudo >/dev/null; then
	as_root=(sudo)
else
	echo "These Debian packages are missing, and there is neither root nor sudo to install them:" >&2
	echo "  apt-get install ${missing[*]}" >&2
	exit 1
fi

echo "Installing ${missing[*]}"
# Lists that cannot be refreshed may still be good enough.
"${as_root[@]}" apt-get update -qq || true
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
	apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null || {
	echo "apt-get could not install them; its complaint is above." >&2
	exit 1
}
