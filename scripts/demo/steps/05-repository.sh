# See that the build tag's repository has appeared by itself
say "Nobody asked for it: the repository projector follows the ledger and saw that demo-build is a build tag."
show moromi wait-repo --build bootstrap-12-1.boot demo-build
repository=$web/kojifiles/repos/demo-build/latest/$(uname -m)
curl -fsS "$repository/repodata/repomd.xml" | grep -o 'type="[a-z_]*"' | sort | xargs echo | indent
