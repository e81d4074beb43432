-- Archives: files of builds that are not rpms. Tables and columns as in Koji, but for the rpms in an archive, which are lists like those of buildroots.
-- The tables by archive id keep their rows when a build is reset: whoever asks joins archiveinfo, from which the archive is gone then.
create table archiveinfo (
	id bigint primary key,
	type_id bigint not null,
	btype_id bigint not null,
	build_id bigint not null,
	buildroot_id bigint,
	filename text not null,
	subdir text not null,           -- below the directory of its build type
	size bigint not null,           -- in bytes
	checksum text not null,
	checksum_type integer not null, -- koji's CHECKSUM_TYPES
	metadata_only boolean not null,
	extra text,
	since bigint not null
);
create index archiveinfo_by_build on archiveinfo (build_id);
create index archiveinfo_by_buildroot on archiveinfo (buildroot_id) where buildroot_id is not null;
create index archiveinfo_by_filename on archiveinfo (filename, size);
create index archiveinfo_by_checksum on archiveinfo (checksum);
create index archiveinfo_by_btype on archiveinfo (btype_id, id);

create table archiveinfo_past (like archiveinfo, until bigint not null);
create index archiveinfo_past_by_id on archiveinfo_past (id, since);
create index archiveinfo_past_by_build on archiveinfo_past (build_id);

create function archiveinfo_at(e bigint) returns setof archiveinfo language sql stable as $$
	select id, type_id, btype_id, build_id, buildroot_id, filename, subdir, size, checksum, checksum_type, metadata_only, extra, since
	from archiveinfo where since <= e
	union all
	select id, type_id, btype_id, build_id, buildroot_id, filename, subdir, size, checksum, checksum_type, metadata_only, extra, since
	from archiveinfo_past where since <= e and until > e
$$;

create table maven_archives (
	archive_id bigint primary key,
	group_id text not null,
	artifact_id text not null,
	version text not null
);
create index maven_archives_by_name on maven_archives (group_id, artifact_id, version);

create table win_archives (
	archive_id bigint primary key,
	relpath text not null,
	platforms text not null,        -- separated by blanks, as are flags
	flags text
);

create table image_archives (
	archive_id bigint primary key,
	arch text not null
);

-- The rpms in an archive: Koji's archive_rpm_components, by the list's digest.
create table archive_content (
	archive_id bigint primary key,
	digest text not null
);
create index archive_content_by_digest on archive_content (digest);

create table archive_components (
	archive_id bigint not null,
	component_id bigint not null,
	primary key (archive_id, component_id)
);
create index archive_components_by_component on archive_components (component_id);

create table buildroot_archives (
	buildroot_id bigint not null,
	archive_id bigint not null,
	project_dep boolean not null,
	since bigint not null,
	primary key (buildroot_id, archive_id)
);
create index buildroot_archives_by_archive on buildroot_archives (archive_id);

-- What builds are to Maven, and to Windows.
create table maven_builds (
	build_id bigint primary key,
	group_id text not null,
	artifact_id text not null,
	version text not null,
	since bigint not null
);
create index maven_builds_by_name on maven_builds (group_id, artifact_id, version);
create table maven_builds_past (like maven_builds, until bigint not null);
create index maven_builds_past_by_build on maven_builds_past (build_id);

create function maven_builds_at(e bigint) returns setof maven_builds language sql stable as $$
	select build_id, group_id, artifact_id, version, since from maven_builds where since <= e
	union all
	select build_id, group_id, artifact_id, version, since from maven_builds_past where since <= e and until > e
$$;

create table win_builds (
	build_id bigint primary key,
	platform text not null,
	since bigint not null
);
create table win_builds_past (like win_builds, until bigint not null);
create index win_builds_past_by_build on win_builds_past (build_id);

create function win_builds_at(e bigint) returns setof win_builds language sql stable as $$
	select build_id, platform, since from win_builds where since <= e
	union all
	select build_id, platform, since from win_builds_past where since <= e and until > e
$$;
