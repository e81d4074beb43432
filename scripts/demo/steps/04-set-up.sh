# Make tags with inheritance, a target, a user, a package list, and put the host into a channel
show moromi add-tag --parent demo-base demo
show moromi add-tag --parent demo --arches "$(uname -m)" --extra rpm.macro.dist=.demo demo-build
show moromi add-target demo demo-build demo
show moromi add-user packager
password=$(head -c 18 /dev/urandom | base64)
bin/moromid user password packager --password-stdin --data "$data" <<<"$password"
write_client_config "$demo/packager.conf" packager "$password"
show moromi add-pkg --owner packager demo greet hello lua lua-lpeg
host=$(moromi list-hosts --quiet | awk 'NR == 1 {print $1}')
show moromi edit-host --capacity 8 "$host"
show moromi add-channel --description 'What a person waits for' interactive
show moromi add-host-to-channel "$host" interactive
show moromi list-hosts --show-channels
show moromi list-tag-inheritance demo-build
