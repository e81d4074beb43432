#!/bin/bash
# Makes the bootstrap distribution: a handful of RPMs, made from Debian's packages, in which C software can be built.
# It stands where a site has its distribution's packages; the demo and the tests import it into an empty hub.
#
#   make.sh CACHE OUT
#
# OUT/rpms    the binary packages
# OUT/srpms   their source package
# OUT/groups  install groups, one a line: GROUP PACKAGE…
#
# What goes in stands beside this file: `packages`, `provides`, `prune`, `groups` and the tree `filesystem`.
# The result depends on nothing but those and Debian's packages: the same bytes on any machine, in any directory.
# It takes some seconds, and none when CACHE has the result of the same input.
set -euo pipefail
[ $# = 2 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$(dirname "$2")"
cache=$(cd "$1" && pwd)
out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")

export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1700000000
version=12 # Debian's
machine=$(uname -m)
triplet=$machine-linux-gnu
case $machine in
	x86_64 | aarch64) ;;
	*) echo "bootstrap: made for x86_64 and aarch64, this is $machine" >&2; exit 1 ;;
esac

# table FILE prints a file's lines without comments and empty ones.
table() { sed "s/#.*//; s/TRIPLET/${triplet/_/-}/; /^ *\$/d" "$here/$1"; }

rpm_names() { table packages | awk '!seen[$1]++ {print $1}'; }
debs_of() { table packages | awk -v rpm="$1" '$1 == rpm {for (i = 2; i <= NF; i++) print $i}'; }
deb_file() { compgen -G "$cache/debs/$1_*.deb" | tail -n 1; }

main() {
	"$here/debian-archive.sh" "$cache" binary $(table packages | cut -d' ' -f2-)
	local key
	key=$(input_digest)
	local made=$cache/bootstrap-$key
	if [ ! -d "$made" ]; then
		work=$(mktemp -d "$cache/making.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		make_distribution
		rm -rf "$cache"/bootstrap-*
		mv "$work/result" "$made"
	fi
	rm -rf "$out"
	cp -al "$made" "$out" 2>/dev/null || { rm -rf "$out"; cp -a "$made" "$out"; }
}

# input_digest names everything that the result is made from.
input_digest() {
	local deb
	{
		(cd "$here" && find . -type f | sort | xargs sha256sum)
		for deb in $(table packages | cut -d' ' -f2-); do basename "$(deb_file "$deb")"; done
	} | sha256sum | cut -c1-16
}

make_distribution() {
	unpacked=$work/unpacked tree=$work/tree lists=$work/lists
	mkdir -p "$unpacked" "$tree" "$lists" "$work/result/rpms" "$work/result/srpms"
	unpack_all
	make_filesystem
	add_links
	merge
	write_spec >"$work/bootstrap.spec"
	build_rpms
	table groups | tr -s ' ' >"$work/result/groups"
}

# unpack DEB unpacks one of Debian's packages, pruned, with /bin, /sbin, /lib and /lib64 moved below /usr.
unpack() {
	local dir=$unpacked/$1 top
	mkdir -p "$dir"
	dpkg-deb --fsys-tarfile "$(deb_file "$1")" | tar -xf - -C "$dir" --no-same-owner --exclude-from="$work/prune"
	for top in bin sbin lib; do
		if [ -d "$dir/$top" ]; then
			mkdir -p "$dir/usr/$top"
			cp -al "$dir/$top/." "$dir/usr/$top/"
			rm -rf "${dir:?}/$top"
		fi
	done
	rm -rf "${dir:?}/lib64" "$dir/usr/lib64" # the dynamic linker's second name: filesystem has the link for it
	find "$dir" -depth -mindepth 1 -type d -empty -delete
}

unpack_all() {
	table prune >"$work/prune"
	export -f unpack deb_file
	export cache work unpacked
	table packages | cut -d' ' -f2- | xargs -n 1 | xargs -n 1 -P "$(nproc)" bash -euo pipefail -c 'unpack "$1"' unpack
}

# make_filesystem makes the directories that all share. /usr/lib64 is Debian's library directory, so %_libdir, the
# dynamic linker and the compiler agree.
make_filesystem() {
	local root=$unpacked/filesystem top
	mkdir -p "$root"
	(
		cd "$root"
		mkdir -p usr/{bin,sbin,"lib/$triplet",include,share,libexec,src,local} etc/{rpm,ld.so.conf.d,profile.d} \
			var/{lib/rpm,tmp,log,cache} tmp root home builddir dev proc sys run mnt opt boot
		chmod 1777 tmp var/tmp
		chmod 700 root
		for top in bin sbin lib lib64; do ln -s "usr/$top" "$top"; done
		ln -s "lib/$triplet" usr/lib64
		ln -s ../run var/run
		ln -s ../proc/self/mounts etc/mtab
		cp -r "$here/filesystem/." .
		chmod -R u=rwX,go=rX etc
		sed 's/:.*/:*:19000:0:99999:7:::/' etc/passwd >etc/shadow
		sed 's/:.*/:::/' etc/group >etc/gshadow
		chmod 600 etc/shadow etc/gshadow
	)
}

# add_links gives the programs the names by which builds call them.
add_links() {
	ln -sf bash "$unpacked/bash/usr/bin/sh" # not busybox's: rpm's scripts rely on real programs before its applets
	ln -sf gcc "$unpacked/gcc/usr/bin/cc"
	rm -f "$unpacked"/gcc*/usr/bin/c[0-9]*
	local busybox=$unpacked/busybox-static/usr/bin applet
	# What busybox has and a build uses; applets that another package has as a program of its own are skipped.
	local -A own=()
	for applet in $(for deb in $(debs_of minibase); do [ "$deb" = busybox-static ] || ls "$unpacked/$deb/usr/bin" 2>/dev/null; done); do
		own[$applet]=1
	done
	for applet in $("$busybox/busybox" --list | grep -xE "$(table applets | xargs | tr ' ' '|')"); do
		[ -n "${own[$applet]:-}" ] || ln -s busybox "$busybox/$applet"
	done
}

# merge lays all packages into one tree and writes each RPM's file list. Directories belong to filesystem where it has them.
merge() {
	local name deb
	file_list "$unpacked/filesystem" >"$lists/filesystem"
	cp -al "$unpacked/filesystem/." "$tree/"
	for name in $(rpm_names); do
		for deb in $(debs_of "$name"); do
			file_list "$unpacked/$deb"
			cp -al "$unpacked/$deb/." "$tree/"
		done | sort -u >"$lists/$name.all"
		awk -F'"' 'NR == FNR {owned[$2] = 1; next} !(/^%dir/ && owned[$2])' "$lists/filesystem" "$lists/$name.all" >"$lists/$name"
		rm "$lists/$name.all"
	done
}

# file_list DIR prints DIR's content as entries of %files.
file_list() {
	find "$1" -mindepth 1 \( -type d -printf '%%dir %%attr(%m,root,root) "/%P"\n' \) -o \
		\( -type l -printf '%%attr(-,root,root) "/%P"\n' \) -o -printf '%%attr(%m,root,root) "/%P"\n' | sort
}

write_spec() {
	sed "s/@VERSION@/$version/; /@PACKAGES@/,\$d" "$here/bootstrap.spec.in"
	local name
	for name in $(rpm_names); do
		cat <<-SPEC
			%package -n $name
			Summary: From Debian: $(debs_of "$name" | xargs)
			Requires: filesystem
			$(table provides | awk -v rpm="$name" '$1 == rpm {$1 = ""; print substr($0, 2)}')

			%description -n $name
			$(debs_of "$name" | xargs) of Debian $version, for building packages.

			%files -n $name -f $name

		SPEC
	done
	sed '1,/@PACKAGES@/d' "$here/bootstrap.spec.in"
}

# build_rpms runs rpmbuild once for the binary packages and once for the source package: together, each binary header
# would hold the source package's digest.
build_rpms() {
	local log=$work/rpmbuild.log how
	touch -d "@$SOURCE_DATE_EPOCH" "$work/bootstrap.spec"
	for how in -bb -bs; do
		TREE=$tree LISTS=$lists rpmbuild "$how" "$work/bootstrap.spec" --define "_topdir $work/rpmbuild" --define "_dbpath $work/rpmdb" --define "_rpmdir $work/result/rpms" --define "_srcrpmdir $work/result/srpms" \
			--define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' >"$log" 2>&1 || { tail -n 40 "$log" >&2; return 1; }
	done
}

main
