# Ask history: the tag as of before and after, a buildroot's exact content, and whether the ledger is whole
say "The tag before the builds, at event $before_builds, and now:"
show moromi list-tagged --event "$before_builds" demo
show moromi list-tagged demo
[ -z "$(moromi list-tagged --quiet --event "$before_builds" demo)" ] || die "the tag was not empty before the builds"
for build in greet-1.0-1.demo hello-2.10-1.demo lua-5.4.4-1.demo lua-lpeg-1.0.2-1.demo; do
	[ -n "$(moromi list-tagged --quiet demo | awk -v build="$build" '$1 == build')" ] || die "$build is not tagged"
done

buildroot=$(moromi call --json-output getRPM "lua-lpeg-1.0.2-1.demo.$(uname -m)" | sed -n 's/.*"buildroot_id": *\([0-9]*\).*/\1/p')
say "What was in the buildroot of lua-lpeg, number $buildroot:"
show moromi list-buildroot "$buildroot"
moromi list-buildroot "$buildroot" | grep '^lua-devel-5.4.4-1.demo' >/dev/null || die "lua-devel is not in the buildroot's list"

say "Every read model, made again from the ledger, beside the one in use; and the ledger itself:"
show bin/moromid replay --verify --data "$data"
show bin/moromid fsck --data "$data"
