# Install what is missing, and build the programs
scripts/install-deps.sh
show make --no-print-directory build
go build -trimpath -o "$demo/bin/distgit" ./scripts/demo/distgit
