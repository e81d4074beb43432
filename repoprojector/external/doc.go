// Package external reads yum repositories of others and merges them into those of tags, as Koji's builders do with mergerepo_c.
//
// A Cache keeps the last good state of each address: what its repomd.xml was, and an index of its packages. A check asks the server whether
// repomd.xml has changed; what it names is then fetched by checksum, verified, cut into the packages' own pieces of XML and handed to the store
// of package repodata, from which repositories are written. A server that is down, slow or wrong changes nothing: the last good state stays and the
// error says what was wrong. Merge then decides, without any input or output, which packages a merged repository has.
//
// Everything that comes from a server is taken for hostile: sizes, times, nesting and addresses are bounded, and no XML is passed on that was not
// found well-formed.
//
// Sources: mergerepo_c.c and koji.c of createrepo_c 0.17.3 for the rules of merging (the tests run it beside this), builder/kojid of Koji 1.35
// (CreaterepoTask) for how it is called, https://createrepo.baseurl.org for the format.
package external
