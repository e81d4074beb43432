#!/usr/bin/python3
"""Runs Koji's own kojira beside the hub. The hub makes repositories itself: kojira must find nothing to complain of, look
after external repositories, and expire and delete old repositories as it does for a Koji hub, never the one in use."""
import functools
import http.server
import os
import sys
import threading
import time

import koji
from hub import HUB, KOJI, PASSWORD, TOPDIR, WORK, Checks, Daemon, program, same, session, until
from populate import rpms


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(directory):
    """Serves a directory over HTTP and answers its address."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f'http://127.0.0.1:{server.server_address[1]}'


def state(s, repo):
    return koji.REPO_STATES[s.repoInfo(repo, strict=True)['state']]


def main():
    checks, s = Checks('kojira'), session()
    log = os.path.join(WORK, 'kojira.log')
    conf = os.path.join(WORK, 'kojira.conf')
    with open(conf, 'w', encoding='utf-8') as f:
        f.write(f'''[kojira]
server = {HUB}
topdir = {TOPDIR}
user = kojira
password = {PASSWORD}
logfile = {log}
sleeptime = 1
recheck_period = 2
repo_lifetime = 3
dist_repo_lifetime = 3
expired_repo_lifetime = 2
''')
    command = ['/usr/bin/python3', os.path.join(KOJI, 'util/kojira'), '-c', conf, '--fg', '-v']
    daemon = Daemon('kojira-output', *command)
    try:
        run(checks, s, daemon, command)
    finally:
        daemon.stop()
    with checks.check('ends cleanly, no traceback in its log'):
        same(daemon.process.returncode, 0, 'exit status')
        with open(log, encoding='utf-8') as f:
            text = f.read()
        assert 'Traceback' not in text and 'ERROR' not in text, text[-2000:]
    checks.end()


def run(checks, s, daemon, command):
    with checks.check('logs in, one at a time'):
        until(lambda: 'Entering main loop' in daemon.text() or not daemon.running())
        assert daemon.running(), daemon.text()[-500:]
        status, out = program(*command, '--skip-main', '--logfile', os.path.join(WORK, 'kojira-second.log'), timeout=60)
        same(status, 1, 'exit status of a second one')
        assert 'Unable to get lock' in out, out
    with checks.check('an old repository expires and is deleted, the one in use stays'):
        old = until(lambda: s.getRepo('dist-build'))['id']
        directory = os.path.join(TOPDIR, f'repos/dist-build/{old}')
        s.packageListAdd('dist-build', 'outsider', 'kojiadmin')
        s.groupPackageListAdd('dist-build', 'build', 'library')
        new = until(lambda: (r := s.getRepo('dist-build')) and r['id'] != old and r)['id']
        until(lambda: state(s, old) == 'EXPIRED' or state(s, old) == 'DELETED')
        until(lambda: state(s, old) == 'DELETED')
        until(lambda: not os.path.exists(directory))
        assert new > old, 'the new one is older'
        # A change of a moment ago may have made yet another.
        current = s.getRepo('dist-build')['id']
        same(state(s, current), 'READY', 'state of the one in use')
        assert os.path.isdir(os.path.join(TOPDIR, f'repos/dist-build/{current}')), 'no directory'
    with checks.check('an external repository that changes is seen'):
        directory = os.path.join(WORK, 'external')
        os.makedirs(directory)
        package = [f for f in rpms('-ba', 'outsider') if f.endswith('.x86_64.rpm')][0]
        same(program('createrepo_c', '-q', directory)[0], 0, 'createrepo_c')
        url = serve(directory)
        repo = s.createExternalRepo('kojira-external', url + '/')
        s.addExternalRepoToTag('dist-build', 'kojira-external', 50)
        first = until(lambda: s.repo.getExternalRepoData(repo['id']))
        os.link(package, os.path.join(directory, os.path.basename(package)))
        time.sleep(1.1)  # kojira compares revisions, which are seconds
        same(program('createrepo_c', '-q', directory)[0], 0, 'createrepo_c')
        until(lambda: s.repo.getExternalRepoData(repo['id']) != first)
        s.removeExternalRepoFromTag('dist-build', 'kojira-external')
    with checks.check('a tag with repo.auto gets its repositories'):
        s.createTag('automatic', arches='x86_64', extra={'repo.auto': True})
        first = until(lambda: s.getRepo('automatic'))['id']
        s.packageListAdd('automatic', 'library', 'kojiadmin')
        s.tagBuildBypass('automatic', 'library-2.1-1')
        until(lambda: (r := s.getRepo('automatic')) and r['id'] != first)
    with checks.check('nothing is left to wait for'):
        until(lambda: not s.repo.queryQueue([['active', '=', True]], ['id']))
        same(s.listTasks(opts={'method': 'newRepo', 'state': [koji.TASK_STATES['FAILED']]}), [], 'failed newRepo tasks')


if __name__ == '__main__':
    sys.exit(main())
