#!/usr/bin/python3
"""Runs koji-gc, first as a test and then for good: it prunes old builds from tags by policy, trashes those in no tag, and
deletes what has been in the trashcan for its time."""
import os
import sys

import koji
from hub import HUB, KOJI, PASSWORD, TOPDIR, WORK, Checks, program, same, session
from populate import import_build, rpms

POLICY = '''[main]
server = {hub}
weburl = {web}
user = gc
password = {password}
lock_file = {work}/gc.lock
unprotected_keys =

[prune]
policy =
    tag *-final :: keep
    tag gc-* && order > 0 :: untag
'''


def main():
    checks, s = Checks('koji-gc'), session()
    conf = os.path.join(WORK, 'koji-gc.conf')
    with open(conf, 'w', encoding='utf-8') as f:
        f.write(POLICY.format(hub=HUB, web=HUB[:-len('/kojihub')], password=PASSWORD, work=WORK))
    command = ['/usr/bin/python3', os.path.join(KOJI, 'util/koji-gc'), '-c', conf, '--no-mail', '--delay=0 seconds', '--grace-period=0 seconds',
               '--email-template', os.path.join(KOJI, 'util/email.tpl'), '--debug']

    def collect(*more):
        status, out = program(*command, *more, timeout=300)
        same((status, 'Traceback' in out), (0, False), out[-2000:])
        return out
    with checks.check('builds to collect'):
        s.createTag('gc-tag')
        s.createTag('gc-final')
        builds = [import_build(s, rpms('-ba', 'old', release=str(n)), 'gc-tag') for n in (1, 2, 3)]
        s.packageListAdd('gc-final', 'old', 'kojiadmin')
        s.packageListAdd('trashcan', 'old', 'kojiadmin')
        s.tagBuildBypass('gc-final', 'old-1.0-1')

    def tagged(tag):
        return [b['nvr'] for b in s.listTagged(tag)]
    with checks.check('prune: dry run'):
        out = collect('--action=prune', '--test')
        assert 'would be untagged' in out or 'Would have' in out or 'gc-tag' in out, out[-500:]
        same(tagged('gc-tag'), ['old-1.0-3', 'old-1.0-2', 'old-1.0-1'], 'gc-tag')
    with checks.check('prune'):
        collect('--action=prune')
        same((tagged('gc-tag'), tagged('gc-final')), (['old-1.0-3'], ['old-1.0-1']), 'tags')
    with checks.check('trash: dry run'):
        collect('--action=trash', '--test', '--pkg=old')
        same(tagged('trashcan'), [], 'trashcan')
    with checks.check('trash'):
        collect('--action=trash', '--pkg=old')
        same(tagged('trashcan'), ['old-1.0-2'], 'trashcan')
    with checks.check('salvage leaves what is unsigned'):
        collect('--action=salvage')
        same(tagged('trashcan'), ['old-1.0-2'], 'trashcan')
    with checks.check('delete: dry run'):
        collect('--action=delete', '--test')
        same(tagged('trashcan'), ['old-1.0-2'], 'trashcan')
    with checks.check('delete'):
        collect('--action=delete')
        same(koji.BUILD_STATES[s.getBuild(builds[1]['id'])['state']], 'DELETED', 'build')
        assert not os.path.exists(os.path.join(TOPDIR, 'packages/old/1.0/2')), 'its files are there'
    with checks.check('purge of the trashcan'):
        collect('--purge', '--action=trash,delete,prune')
    checks.end()


if __name__ == '__main__':
    sys.exit(main())
