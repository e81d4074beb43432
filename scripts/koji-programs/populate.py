#!/usr/bin/python3
"""Fills a fresh hub with what the checks need: tags, a target, a group with a package, external repository, more users."""
import glob
import os

from hub import TOPDIR, WORK, Checks, program, same, session, until

SPEC = '''Name: {name}
Version: {version}
Release: {release}
Summary: Package {name} of the checks with Koji's programs
License: MIT
{arch}
{more}

%description
It holds one file.

%package doc
Summary: Documents of {name}
BuildArch: noarch

%description doc
Documents.

%prep

%build
{build}

%install
mkdir -p %{{buildroot}}%{{_bindir}} %{{buildroot}}/usr/share/doc/{name}
printf '#!/bin/sh\\necho {name}\\n' > %{{buildroot}}%{{_bindir}}/{name}
chmod 755 %{{buildroot}}%{{_bindir}}/{name}
echo {name} > %{{buildroot}}/usr/share/doc/{name}/README

%files
%{{_bindir}}/{name}

%files doc
/usr/share/doc/{name}/README

%changelog
* Mon Jan 05 2026 A Packager <packager@example.com> - {version}-{release}
- A line of the changelog
'''


def spec(name, version='1.0', release='1', arch='', build='true', more=''):
    """Writes a spec file and answers its path."""
    path = os.path.join(WORK, 'specs', name, f'{name}.spec')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(SPEC.format(name=name, version=version, release=release, arch=arch, build=build, more=more))
    return path


def rpms(how, *args, **kw):
    """Builds a package on this machine, `-ba` or `-bs`, and answers the files."""
    path = spec(*args, **kw)
    top = os.path.join(os.path.dirname(path), 'build' + how + kw.get('release', ''))
    status, out = program('rpmbuild', how, '--nodeps', '--define', f'_topdir {top}', path)
    same(status, 0, out)
    return sorted(glob.glob(top + '/*RPMS/**/*.rpm', recursive=True), key=lambda p: not p.endswith('.src.rpm'))


def import_build(s, files, tag, owner='kojiadmin'):
    """Imports the packages of a build, source first, and tags it."""
    for f in files:
        directory = 'import/' + os.path.basename(f)
        s.uploadWrapper(f, directory)
        s.importRPM(directory, os.path.basename(f))
    nvr = os.path.basename(files[0])[:-len('.src.rpm')]
    build = s.getBuild(nvr, strict=True)
    s.packageListAdd(tag, build['package_name'], owner)
    s.tagBuildBypass(tag, build['id'])
    return build


def main():
    checks = Checks('populate')
    s = session()
    with checks.check('tags, target, packages, users'):
        for name, arches in (('dist', 'x86_64'), ('dist-build', 'x86_64'), ('dist-candidate', None), ('dist-signed', None), ('trashcan', None), ('empty', 'i686')):
            s.createTag(name, arches=arches, extra={'rpm.macro.dist': '.d1'} if name == 'dist-build' else {})
        for child, parent, priority in (('dist-candidate', 'dist', 0), ('dist-build', 'dist', 0), ('dist-signed', 'dist-candidate', 5)):
            s.setInheritanceData(child, [{'parent_id': s.getTagID(parent), 'priority': priority, 'maxdepth': None, 'intransitive': False, 'noconfig': False, 'pkg_filter': ''}])
        import_build(s, rpms('-ba', 'buildbase', arch='BuildArch: noarch', more='Provides: /bin/sh'), 'dist')
        import_build(s, rpms('-ba', 'library', version='2.1'), 'dist')
        import_build(s, rpms('-ba', 'library', version='2.1', release='2'), 'dist')
        for group in ('build', 'srpm-build'):
            s.groupListAdd('dist-build', group)
            s.groupPackageListAdd('dist-build', group, 'buildbase')
        s.createBuildTarget('dist', 'dist-build', 'dist-candidate')
        for package in ('hello', 'chain', 'second', 'broken', 'slow'):
            s.packageListAdd('dist', package, 'kojiadmin')
        s.createNotification(s.getLoggedInUser()['id'], None, None, False)
        s.createExternalRepo('outside', 'http://192.0.2.1/$arch/')
    with checks.check('a repository of the build tag'):
        until(lambda: s.getRepo('dist-build'))
        assert os.path.isfile(os.path.join(TOPDIR, 'repos/dist-build/latest/x86_64/repodata/repomd.xml')), 'no repomd.xml'
    s.logout()
    checks.end()


if __name__ == '__main__':
    main()
