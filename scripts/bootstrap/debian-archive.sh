#!/bin/bash
# Fetches packages of Debian 12 with a private apt: the system's package sources are neither used nor changed.
#
#   debian-archive.sh CACHE binary PACKAGE…    the .deb files into CACHE/debs
#   debian-archive.sh CACHE source PACKAGE…    the upstream tarballs into CACHE/sources
#
# What is in the cache is not fetched again. apt checks everything against Debian's signing keys.
# DEBIAN_MIRROR names the mirror; the default is the one of the system, else deb.debian.org.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
kind=$2
shift 2

suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# system_mirror prints the mirror that the system itself uses for this release.
system_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $suite" 2>/dev/null | grep -m1 '/debian/*$' || true
}

private_apt() {
	apt-get -qq -o Dir::State="$cache/apt/state" -o Dir::State::status="$cache/apt/status" -o Dir::Cache="$cache/apt/cache" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::sourcelist="$cache/apt/sources.list" -o APT::Sandbox::User= -o Debug::NoLocking=1 "$@"
}

# update fetches the package lists, unless the ones in the cache are a day old at most.
update() {
	local mirror stamp=$cache/apt/updated
	[ -z "$(find "$stamp" -mmin -1440 2>/dev/null)" ] || return 0
	mirror=${DEBIAN_MIRROR:-$(system_mirror)}
	mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial"
	printf "%s [signed-by=$keyring] ${mirror:-http://deb.debian.org/debian} $suite main\n" deb deb-src >"$cache/apt/sources.list"
	: >"$cache/apt/status" # no package is installed: the system's versions must not count
	private_apt update
	touch "$stamp"
}

case $kind in
	binary) dir=$cache/debs pattern='%s_*.deb' ;;
	source) dir=$cache/sources pattern='%s_*.orig.tar.*' ;;
	*) echo "debian-archive: $kind is neither binary nor source" >&2; exit 2 ;;
esac
mkdir -p "$dir"
cd "$dir"
missing=()
for package in "$@"; do
	compgen -G "$(printf "$pattern" "$package")" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || { echo "debian-archive: apt-get is needed to fetch ${missing[*]}" >&2; exit 1; }
update
case $kind in
	binary) private_apt download "${missing[@]}" ;;
	source) private_apt source --download-only --tar-only "${missing[@]}" 2>&1 | grep -E '^[EW]:' >&2 || [ "${PIPESTATUS[0]}" = 0 ] ;;
esac
