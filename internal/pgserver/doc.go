// Package pgserver runs a private PostgreSQL for one program: `moromid up` keeps its ledger and read models in
// one, and the tests share another.
//
// The server listens on a Unix socket in a directory of mode 0700 and never on TCP. It lets in the account that
// started it and the account that it runs as (peer authentication), nobody else. It ends with the program that
// started it, even when that program is killed, and what an unclean end leaves behind is cleared at the next Start.
//
// Layout of Config.Dir:
//
//	lock         held (flock) by the program whose server this is
//	data/        the cluster, owned by the server's account
//	run/         the socket, unless the path is too long for one; then a directory below os.TempDir
//	url          the connection URL of the server that was started last (see Running)
//	server.log   PostgreSQL's own messages
//
// PostgreSQL refuses to run as root, so root's server runs as `postgres` or `nobody`. That account often cannot
// reach Config.Dir (root's home directory has mode 0700). The server therefore gets its two directories as
// inherited file descriptors and names them /proc/self/fd/3 and /proc/self/fd/4; nothing on the way there needs
// to be opened up. Linux only.
package pgserver
