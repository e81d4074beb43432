-- Rpms: those of builds, and those of external repositories that were seen in buildroots (build_id null, external_repo_id not 0).
create table rpminfo (
	id bigint primary key,
	build_id bigint,
	buildroot_id bigint,
	name text not null,
	version text not null,
	release text not null,
	epoch bigint,
	arch text not null,             -- src for source rpms
	draft boolean,                  -- null for external rpms
	external_repo_id bigint not null,
	payloadhash text not null,      -- the signature header's MD5 in hex, what Koji calls sigmd5
	size bigint not null,           -- of the file in bytes
	buildtime bigint not null,      -- seconds since 1970
	metadata_only boolean not null,
	extra text,
	sha256 text,                    -- of the file as it was imported, by the hub; null for external rpms
	since bigint not null
);
create index rpminfo_by_build on rpminfo (build_id);
create index rpminfo_by_buildroot on rpminfo (buildroot_id) where buildroot_id is not null;
create index rpminfo_by_nvra on rpminfo (name, version, release, arch, external_repo_id);
create index rpminfo_by_file_name on rpminfo ((name || '-' || version || '-' || release || '.' || arch || '.rpm')) include (id);
-- for searches with a pattern: it finds the rows that have the pattern's letters, three by three
create index rpminfo_by_file_name_part on rpminfo using gin ((name || '-' || version || '-' || release || '.' || arch || '.rpm') public.gin_trgm_ops);
create index rpminfo_by_external_repo on rpminfo (external_repo_id, id) where external_repo_id <> 0;
create index rpminfo_by_payloadhash on rpminfo (payloadhash);

create table rpminfo_past (like rpminfo, until bigint not null);
create index rpminfo_past_by_id on rpminfo_past (id, since);
create index rpminfo_past_by_build on rpminfo_past (build_id);
create index rpminfo_past_by_nvra on rpminfo_past (name, version, release, arch);

create function rpminfo_at(e bigint) returns setof rpminfo language sql stable as $$
	select id, build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id, payloadhash, size, buildtime,
		metadata_only, extra, sha256, since
	from rpminfo where since <= e
	union all
	select id, build_id, buildroot_id, name, version, release, epoch, arch, draft, external_repo_id, payloadhash, size, buildtime,
		metadata_only, extra, sha256, since
	from rpminfo_past where since <= e and until > e
$$;

-- Signature headers that are kept for an rpm; sigkey '' is the one that it came with, unsigned.
create table rpmsigs (
	rpm_id bigint not null,
	sigkey text not null,
	sighash text not null,          -- MD5 of the signature header in hex
	since bigint not null,
	primary key (rpm_id, sigkey)
);
create index rpmsigs_by_key on rpmsigs (sigkey, rpm_id);
create table rpmsigs_past (like rpmsigs, until bigint not null);
create index rpmsigs_past_by_rpm on rpmsigs_past (rpm_id);

create function rpmsigs_at(e bigint) returns setof rpmsigs language sql stable as $$
	select rpm_id, sigkey, sighash, since from rpmsigs where since <= e
	union all
	select rpm_id, sigkey, sighash, since from rpmsigs_past where since <= e and until > e
$$;

-- Checksums of the files of signed copies, as they were asked for.
create table rpm_checksum (
	rpm_id bigint not null,
	sigkey text not null,
	checksum_type integer not null, -- koji's CHECKSUM_TYPES
	checksum text not null,
	primary key (rpm_id, sigkey, checksum_type)
);
