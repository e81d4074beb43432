#!/bin/bash
# Makes the demo's dist-git: a git repository for each package in `packages`, with its spec file and the list of its
# sources, and the lookaside cache with the source files themselves.
#
#   make-distgit.sh CACHE ROOT URL
#
# CACHE keeps downloads. ROOT gets the folders rpms and lookaside. URL is where ROOT will be served (see distgit).
set -euo pipefail
[ $# = 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$2/rpms" "$2/lookaside"
cache=$(cd "$1" && pwd)
root=$(cd "$2" && pwd)
url=$3

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME='Demo Packager' GIT_AUTHOR_EMAIL=packager@example.com GIT_AUTHOR_DATE='2026-01-05T12:00:00Z'
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE

# fetch FILE DEBIAN-SOURCE ADDRESS puts an upstream tarball into the cache: from Debian's source package where apt is
# there (it holds upstream's file unchanged, under another name), else from upstream.
fetch() {
	[ ! -f "$cache/sources/$1" ] || return 0
	mkdir -p "$cache/sources"
	if command -v apt-get >/dev/null; then
		"$here/../bootstrap/debian-archive.sh" "$cache" source "$2"
		cp "$cache/sources/$2"_*.orig.tar.* "$cache/sources/$1"
	else
		curl -fsSL --retry 3 -o "$cache/sources/$1.part" "$3"
		mv "$cache/sources/$1.part" "$cache/sources/$1"
	fi
}

# look_aside PACKAGE FILE stores a source under the digest that the package's repository asks for, if it has that digest.
look_aside() {
	local want have dir
	want=$(sed -n "s/^SHA512 ($2) = //p" "$here/packages/$1/sources")
	have=$(sha512sum <"$cache/sources/$2" | cut -d' ' -f1)
	if [ -z "$want" ] || [ "$want" != "$have" ]; then
		rm -f "$cache/sources/$2"
		echo "make-distgit: $2 has the SHA-512 digest $have and packages/$1/sources wants ${want:-none}" >&2
		return 1
	fi
	dir=$root/lookaside/$1/$2/sha512/$want
	mkdir -p "$dir"
	cp "$cache/sources/$2" "$dir/$2"
}

# make_repository PACKAGE commits the package's files and a Makefile that gets its sources.
make_repository() {
	local work
	work=$(mktemp -d "$root/work.XXXXXX")
	git init -q -b main "$work"
	cp -r "$here/packages/$1/." "$work/"
	sed "s|@LOOKASIDE@|$url/lookaside/$1|" "$here/Makefile.distgit" >"$work/Makefile"
	git -C "$work" add .
	git -C "$work" commit -q -m 'First build'
	git init -q --bare -b main "$root/rpms/$1.git"
	git -C "$work" push -q "$root/rpms/$1.git" main
	if [ "$1" = lua ]; then add_readline_branch "$work"; fi
	rm -rf "$work"
}

# add_readline_branch asks for line editing in Lua. readline's development package is not in the build's repository, and
# the specification forgets to require it: that build fails.
add_readline_branch() {
	git -C "$1" switch -q -c readline
	sed -i -e 's/^%bcond_with readline/%bcond_without readline/' -e 's/^\(Release: *\)1%/\12%/' "$1/lua.spec"
	git -C "$1" commit -q -a -m 'Edit lines with readline'
	git -C "$1" push -q "$root/rpms/lua.git" readline
}

while read -r package file debian address; do
	fetch "$file" "$debian" "$address"
	look_aside "$package" "$file"
done < <(grep -v '^#' "$here/upstream")
for dir in "$here"/packages/*/; do
	make_repository "$(basename "$dir")"
done
