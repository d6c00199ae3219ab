#!/bin/sh
# Installs what this machine needs, and prints what it does. `setup.sh PART...` does these parts, or without one all:
#
#   go    Go and a C compiler
#   web   Node.js and web/node_modules, for building and checking the app
#   e2e   Node.js, e2e/node_modules and Chromium, for the end-to-end tests and the screenshots
#
# Packages of the project are always installed. Packages of the system are installed only by root on Debian, with
# apt-get. Anywhere else, and if Debian's version is too old, this stops and names what to install.
set -eu
cd "$(dirname "$0")"

log() { printf 'setup: %s\n' "$*"; }
stop() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# at_least HAVE WANT compares versions such as 1.26.0.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# system_packages PROGRAM WHAT PACKAGE... installs the Debian packages with the program, if that is our task.
system_packages() {
	program=$1
	what=$2
	shift 2
	if ! { [ "$(id -u)" = 0 ] && has apt-get && grep -qx 'ID=debian' /etc/os-release; }; then
		stop "$what is missing. Install it, then run this again. (As root on Debian this installs it by itself.)"
	fi
	log "$what is missing: installing $* with apt-get"
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
	has "$program" || stop "$what is still missing after that: $program is not on the PATH. Install it, then run this again."
}

# node_packages FOLDER installs the packages of its package-lock.json, if that changed since the last time.
node_packages() {
	packages=$(cd "$1" && basename "$PWD")/node_modules
	if [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ]; then
		log "$packages is up to date"
	else
		log "installing $packages with npm"
		(cd "$1" && npm ci --no-audit --no-fund)
	fi
}

setup_go() {
	go_wanted=$(sed -n 's/^go //p' ../go.mod)
	has go || stop "Go is missing. Install Go $go_wanted or newer."
	go_found=$(go env GOVERSION | sed 's/^[^0-9]*\([0-9.]*\).*/\1/')
	at_least "$go_found" "$go_wanted" || stop "Go $go_found is too old. Install Go $go_wanted or newer."

	compiler=$(go env CC)
	if ! has "${compiler%% *}"; then
		[ "$compiler" = gcc ] || stop "CC names $compiler, which is not here. Install it, or unset CC to use gcc."
		system_packages gcc 'A C compiler (gcc, for SQLite and the race detector)' gcc libc6-dev
	fi
	[ "$(go env CGO_ENABLED)" = 1 ] || stop "cgo is off. SQLite and the race detector need it: unset CGO_ENABLED."
	log "Go $go_found, $compiler"
}

# The versions are those of engines in package.json, which laravel-echo needs.
setup_node() {
	node_wanted=20.19.0
	node_wanted_after_20=22.12.0
	node_says="Node.js $node_wanted or a later 20, or $node_wanted_after_20 or later"
	node_too_old='is too old'
	if ! { has node && has npm; }; then
		system_packages npm "Node.js with npm ($node_says)" nodejs npm
		node_too_old='is what this Debian has, and too old'
	fi
	node_found=$(node --version | tr -d v)
	if at_least "$node_found" 21; then node_wanted=$node_wanted_after_20; fi
	at_least "$node_found" "$node_wanted" || stop "Node.js $node_found $node_too_old. Install $node_says."
	log "Node.js $node_found"
}

setup_web() {
	setup_node
	node_packages ../web
}

# If CHROMIUM names a browser, no other one is installed instead.
setup_e2e() {
	browser=${CHROMIUM:-chromium}
	if ! has "$browser"; then
		[ -z "${CHROMIUM:-}" ] || stop "CHROMIUM names $CHROMIUM, which is not here. Let it name a Chromium or Chrome, or unset it to use chromium."
		system_packages chromium 'Chromium (CHROMIUM can name another one, or a Chrome)' chromium fonts-liberation
	fi
	log "$(command -v "$browser")"
	setup_node
	node_packages .
}

[ $# -gt 0 ] || set -- go web e2e
for part; do
	case $part in
	go | web | e2e) "setup_$part" ;;
	*) stop "$part is no part: go, web, e2e, or nothing for all of them." ;;
	esac
done
