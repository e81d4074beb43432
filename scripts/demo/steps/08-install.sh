# Install the results with dnf into an empty root, and run them
show moromi wait-repo demo-build --build lua-lpeg-1.0.2-1.demo
root=$demo/root
mkdir -p "$root"
dnf --installroot "$root" --releasever 12 --setopt reposdir=/dev/null --setopt cachedir="$demo/dnf" --setopt gpgcheck=0 \
	--setopt install_weak_deps=0 --repofrompath "demo,$repository" --assumeyes --quiet install greet hello lua lua-lpeg | indent
inside() {
	show chroot "$root" "$@"
}
inside /usr/bin/hello
inside /usr/bin/greet world
inside /usr/bin/lua -e 'print(_VERSION, require("lpeg").match(require("lpeg").C("moro"), "moromi"))'
