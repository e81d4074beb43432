#!/bin/bash
# Installs what Moromi needs from the distribution, and only what is missing.
#
#   scripts/install-deps.sh [--test]
#
# --test also installs what only the tests need (a browser, a Kerberos KDC). A run with nothing to do takes milliseconds.
# No service is started and no database cluster is made: Moromi runs a PostgreSQL of its own.
# Runs as root or with sudo, on Debian and its like (apt-get) and on Fedora and EL (dnf).
set -euo pipefail

# What is needed: how to see that it is there, Debian's package, Fedora's and EL's package. apt and Debian's keys are for
# the demo, which makes its distribution from Debian's packages everywhere.
needed='
program:rpmbuild         rpm             rpm-build
program:dnf              dnf             dnf
program:createrepo_c     createrepo-c    createrepo_c
program:git              git             git-core
git-part:git-http-backend git            git-core
program:make             make            make
program:curl             curl            curl
program:apt-get          apt             apt
program:dpkg-deb         dpkg            dpkg
debian-keys              debian-archive-keyring debian-keyring
program:cpio             cpio            cpio
program:flock            util-linux      util-linux-core
certificates             ca-certificates ca-certificates
postgresql               postgresql      postgresql-server
trigrams                 postgresql      postgresql-contrib
'
needed_by_tests='
browser                  chromium        chromium-headless
sbin:krb5kdc             krb5-kdc        krb5-server
sbin:kadmin.local        krb5-admin-server krb5-server
program:kinit            krb5-user       krb5-workstation
python:gssapi            python3-gssapi  python3-gssapi
program:zck              zchunk          zchunk
program:gpg              gpg             gnupg2
'

main() {
	local table=$needed
	case "${1:-}" in
		"") ;;
		--test) table+=$needed_by_tests ;;
		*) echo "usage: $0 [--test]" >&2; exit 2 ;;
	esac
	check_go
	local column=2
	[ -e /etc/debian_version ] || column=3 # other distributions have apt-get, too, for what it fetches
	local missing
	missing=$(missing_packages "$table" "$column")
	[ -n "$missing" ] || return 0

	local sudo=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || fail "missing packages: $missing. Install them as root; there is no sudo here"
		sudo=sudo
	fi
	echo "installing: $missing"
	if [ "$column" = 2 ]; then
		install_debian $missing
	elif command -v dnf >/dev/null; then
		$sudo dnf install -y --setopt=install_weak_deps=False $missing
	else
		fail "missing programs: $missing. This distribution has neither apt-get nor dnf; install them by its own means"
	fi
	missing=$(missing_packages "$table" "$column")
	[ -z "$missing" ] || fail "still missing after the installation: $missing"
}

# missing_packages TABLE COLUMN prints the packages, in that column, of what is not there.
missing_packages() {
	local probe debian fedora found=
	while read -r probe debian fedora; do
		[ -n "$probe" ] || continue
		is_there "$probe" && continue
		if [ "$2" = 2 ]; then found+="$debian "; else found+="$fedora "; fi
	done <<<"$1"
	tr ' ' '\n' <<<"$found" | sort -u | xargs
}

is_there() {
	case $1 in
		sbin:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#sbin:}" >/dev/null ;; # not on everybody's PATH
		python:*) [ -x /usr/bin/python3 ] && /usr/bin/python3 -c "import ${1#python:}" 2>/dev/null ;;
		program:*) command -v "${1#program:}" >/dev/null ;;
		git-part:*) command -v git >/dev/null && [ -x "$(git --exec-path)/${1#git-part:}" ] ;;
		debian-keys) [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ;;
		certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -e /etc/pki/tls/certs/ca-bundle.crt ] ;;
		postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || compgen -G '/usr/pgsql-*/bin/postgres' >/dev/null ||
			command -v postgres >/dev/null ;;
		trigrams) compgen -G '/usr/share/postgresql/*/extension/pg_trgm.control' >/dev/null || compgen -G '/usr/pgsql-*/share/extension/pg_trgm.control' >/dev/null ||
			[ -e /usr/share/pgsql/extension/pg_trgm.control ] ;;
		browser) command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
			command -v headless_shell >/dev/null || [ -x /usr/lib64/chromium-browser/headless_shell ] ;;
	esac
}

# Go is not taken from the distribution: Debian 12 has 1.19. From 1.21 on it fetches the version of go.mod by itself.
check_go() {
	local go version minor
	go=$(command -v go || true)
	[ -n "$go" ] || fail "Go is missing. Install it from https://go.dev/dl/ (unpack to /usr/local and put /usr/local/go/bin on PATH)"
	version=$("$go" env GOVERSION)
	minor=${version#go1.}
	minor=${minor%%[!0-9]*}
	[ "${minor:-0}" -ge 21 ] || fail "$version is too old. Install Go 1.26 or newer from https://go.dev/dl/"
}

install_debian() {
	export DEBIAN_FRONTEND=noninteractive
	local apt=($sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
	log=$(mktemp)
	trap restore EXIT
	refuse_services
	quietly "$log" "${apt[@]}" update
	case " $* " in *" postgresql "*) install_postgresql "$log" ;; esac
	quietly "$log" "${apt[@]}" install -y --no-install-recommends "$@"
	restore
	trap - EXIT
}

# install_postgresql installs the server without the cluster "main" that its package would make: first the part that
# says whether to, told no for as long as the rest is installed.
cluster_conf=/etc/postgresql-common/createcluster.conf
install_postgresql() {
	quietly "$1" "${apt[@]}" install -y --no-install-recommends postgresql-common
	$sudo cp -p "$cluster_conf" "$cluster_conf.moromi"
	echo 'create_main_cluster = false' | $sudo tee -a "$cluster_conf" >/dev/null
	quietly "$1" "${apt[@]}" install -y --no-install-recommends postgresql
}

# While packages are installed, policy-rc.d keeps their services from being started (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
refuse_services() {
	[ -e "$policy" ] && return
	printf '#!/bin/sh\n# moromi install-deps\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
}

# restore takes back what only the installation needed; it also runs when that fails.
restore() {
	if grep -qs 'moromi install-deps' "$policy"; then $sudo rm -f "$policy"; fi
	if [ -e "$cluster_conf.moromi" ]; then $sudo mv "$cluster_conf.moromi" "$cluster_conf"; fi
	rm -f "$log"
}

# quietly LOG COMMAND… shows the command's output only when it fails.
quietly() {
	local log=$1
	shift
	if ! "$@" >"$log" 2>&1; then
		cat "$log" >&2
		fail "$* did not work; its output is above"
	fi
}

fail() {
	echo "install-deps: $*" >&2
	exit 1
}

main "$@"
