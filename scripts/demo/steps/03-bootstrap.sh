# Make a small distribution and import it, as a site imports the one it builds on
say "Debian's packages become $(grep -vc '^#' scripts/bootstrap/groups) install groups and some RPMs; the hub gets them through its API."
scripts/bootstrap/make.sh "$cache" "$demo/bootstrap"
show moromi add-tag demo-base
show moromi add-pkg --owner kojiadmin demo-base bootstrap
show moromi import "$demo"/bootstrap/srpms/*.src.rpm "$demo"/bootstrap/rpms/*.rpm
show moromi tag-build --wait demo-base bootstrap-12-1.boot
while read -r group packages; do
	show moromi add-group demo-base "$group"
	show moromi add-group-pkg demo-base "$group" $packages
done < <(grep -v '^#' "$demo/bootstrap/groups")
