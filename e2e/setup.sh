#!/bin/sh
# Makes this machine ready for the tests, and says what it does. Packages of the project are always installed, in
# e2e/node_modules and web/node_modules. Packages of the system are installed only by root on Debian, with apt-get; anywhere else, and for
# what Debian does not have new enough, this stops and names what to install.
set -eu
cd "$(dirname "$0")"

say() { printf 'setup: %s\n' "$*"; }
stop() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least HAVE WANT compares versions such as 1.26.0.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# system_packages WHAT PACKAGE... installs Debian packages where that is ours to do.
system_packages() {
	what=$1
	shift
	if ! { [ "$(id -u)" = 0 ] && has apt-get && grep -qx 'ID=debian' /etc/os-release; }; then
		stop "$what is missing. Install it, then run this again. (As root on Debian this installs it by itself.)"
	fi
	say "$what is missing: installing $* with apt-get"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

go_wanted=$(sed -n 's/^go //p' ../go.mod)
has go || stop "Go is missing. Install Go $go_wanted or newer."
go_found=$(go env GOVERSION | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')
at_least "$go_found" "$go_wanted" || stop "Go $go_found is too old. Install Go $go_wanted or newer."

compiler=$(go env CC)
has "${compiler%% *}" || system_packages "A C compiler ($compiler, for SQLite and the race detector)" gcc libc6-dev
[ "$(go env CGO_ENABLED)" = 1 ] || stop "cgo is off. SQLite and the race detector need it: unset CGO_ENABLED."

# As engines in package.json, which are those of laravel-echo.
node_wanted=20.19.0
node_wanted_after_20=22.12.0
node_says="Node.js $node_wanted or a later 20, or $node_wanted_after_20 or later"
node_too_old='is too old'
if ! { has node && has npm; }; then
	system_packages "Node.js with npm ($node_says)" nodejs npm
	node_too_old='is what this Debian has, and too old'
fi
node_found=$(node --version | tr -d v)
if at_least "$node_found" 21; then node_wanted=$node_wanted_after_20; fi
at_least "$node_found" "$node_wanted" || stop "Node.js $node_found $node_too_old. Install $node_says."

browser=${CHROMIUM:-chromium}
has "$browser" || system_packages "A browser ($browser; CHROMIUM names another Chromium or Chrome)" chromium fonts-liberation

say "Go $go_found, $compiler, Node.js $node_found, $(command -v "$browser")"

for folder in . ../web; do
	packages=$(cd "$folder" && basename "$PWD")/node_modules
	if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
		say "$packages is up to date"
	else
		say "installing $packages with npm"
		(cd "$folder" && npm ci --no-audit --no-fund)
	fi
done
