// Package dist makes dist repositories: those of a tag's packages, signed or not, that users install from. It carries out the tasks distRepo and createdistrepo
// as kojid does (classes DistRepoTask and createDistRepoTask of builder/kojid of Koji 1.35, from where the options' meaning, the layout and the messages are),
// with the metadata that the hub has of every rpm already.
//
// A task gets a child for each architecture. The child chooses the rpms (choose.go), with multilib those of the 32-bit partner, too (multilib.go, closure.go),
// and fills a hidden directory (tree.go) that takes the architecture's place when all in it is on disk. When all are there the repository becomes READY and
// "latest" leads to it (latest.go). What is not as it should be fails the tasks with Koji's message and logs; the repository stays INIT, for the
// task to be resubmitted, until it is too old.
//
// A process that dies leaves the tasks open: the next one finds them, removes the hidden directories and goes on with the architectures that are not in place.
// A task that was given to a builder is the builder's.
package dist
