#!/usr/bin/python3
"""Runs Koji's own kojid as the hub's only builder, with a stand-in for mock, and lets it do every kind of task that a
distribution's builder does."""
import glob
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading

import koji
from hub import FILES, HERE, HUB, KOJI, PASSWORD, TOPDIR, WORK, Checks, Daemon, ended, program, same, session, until
from populate import rpms, spec

HOST = 'kojid'


class Mail(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), MailHandler)
        self.messages = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class MailHandler(socketserver.StreamRequestHandler):
    def handle(self):
        def say(line):
            self.wfile.write(line.encode() + b'\r\n')
        say('220 mail')
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b'DATA':
                say('354 go on')
                text = b''.join(iter(self.rfile.readline, b'.\r\n'))
                self.server.messages.append(text.decode('utf-8', 'replace'))
            say('221 bye' if verb == b'QUIT' else '250 ok')
            if verb == b'QUIT':
                return


class Git:
    """Repositories of spec files behind git's own daemon."""

    def __init__(self):
        self.base = os.path.join(WORK, 'git')
        os.makedirs(self.base)
        self.port = free_port()
        self.daemon = Daemon('git', 'git', 'daemon', '--export-all', '--reuseaddr', f'--base-path={self.base}', '--listen=127.0.0.1', f'--port={self.port}', self.base)

    def add(self, *args, **kw):
        """Makes a repository with a spec file and answers the address of its commit."""
        path = spec(*args, **kw)
        directory = os.path.join(self.base, args[0])
        shutil.copytree(os.path.dirname(path), directory, ignore=lambda d, names: [n for n in names if n.startswith('build')])
        with open(os.path.join(directory, 'Makefile'), 'w', encoding='utf-8') as f:
            f.write('sources:\n\ttouch fetched\n')
        git = ['git', '-C', directory, '-c', 'user.name=a', '-c', 'user.email=a@example.com']
        for words in (['init', '-q'], ['add', '.'], ['commit', '-qm', 'first']):
            status, out = program(*git, *words)
            same(status, 0, out)
        revision = program(*git, 'rev-parse', 'HEAD')[1].strip()
        return f'git://127.0.0.1:{self.port}/{args[0]}#{revision}'


def free_port():
    with socketserver.TCPServer(('127.0.0.1', 0), None) as s:
        return s.server_address[1]


class Kojid:
    def __init__(self, mail):
        self.conf = os.path.join(WORK, 'kojid.conf')
        self.mockdir = os.path.join(WORK, 'mock')
        os.makedirs(self.mockdir, exist_ok=True)
        with open(self.conf, 'w', encoding='utf-8') as f:
            f.write(f'''[kojid]
server = {HUB}
topurl = {FILES}
topdir = {TOPDIR}
workdir = {WORK}/kojid
mockdir = {self.mockdir}
mockuser = root
user = {HOST}
password = {PASSWORD}
sleeptime = 1
minspace = 100
max_retries = 3
retry_interval = 1
allowed_scms = 127.0.0.1*:/*:no
smtphost = 127.0.0.1:{mail.server_address[1]}
from_addr = kojid@example.com
log_level = INFO
''')
        self.command = [os.path.join(HERE, 'enter.sh'), os.path.join(WORK, 'kojid-places'), os.path.join(KOJI, 'builder/kojid'), '-c', self.conf, '--fg']

    def start(self, *more):
        return Daemon('kojid', *self.command, *more)


def on_host(s, task_id, host_id):
    """A task and all below it were the builder's."""
    for t in [s.getTaskInfo(task_id)] + s.getTaskChildren(task_id):
        same(t['host_id'], host_id, f'host of task {t["id"]} ({t["method"]})')


def built(s, task_id, tag):
    """What must be true of a build that was made: state, tag, files, logs, buildroots and what is in them."""
    ended(s, task_id)
    build = s.listBuilds(taskID=task_id)[0]
    same(koji.BUILD_STATES[build['state']], 'COMPLETE', 'state of the build')
    assert build['nvr'] in [b['nvr'] for b in s.listTagged(tag, package=build['name'])], f'{build["nvr"]} is not in {tag}'
    path = os.path.join(TOPDIR, 'packages', build['name'], build['version'], build['release'])
    packages = s.listRPMs(buildID=build['build_id'])
    same({r['arch'] for r in packages}, {'src', 'x86_64', 'noarch'}, 'architectures')
    for r in packages:
        f = os.path.join(path, koji.pathinfo.rpm(r))
        assert os.path.isfile(f), f'no {f}'
        same(os.path.getsize(f), r['size'], f)
    logs = {os.path.basename(x) for x in glob.glob(path + '/data/logs/x86_64/*')}
    assert {'build.log', 'root.log', 'state.log', 'mock_output.log'} <= logs, f'logs: {logs}'
    roots = {r['buildroot_id'] for r in packages if r['arch'] == 'x86_64'}
    same(len(roots), 1, 'buildroots of the packages')
    root = s.getBuildroot(roots.pop(), strict=True)
    same((root['tag_name'], root['host_name'], root['arch']), ('dist-build', HOST, 'x86_64'), 'buildroot')
    contents = [r['nvr'] for r in s.listRPMs(componentBuildrootID=root['id'])]
    assert any(n.startswith('buildbase-') for n in contents), f'the buildroot holds {contents}'
    until(lambda: koji.BR_STATES[s.getBuildroot(root['id'])['state']] == 'EXPIRED')
    return build


def upload_srpm(s, path):
    s.uploadWrapper(path, 'cli-build/checks')
    return 'cli-build/checks/' + os.path.basename(path)


def main():
    checks, s, mail, git = Checks('kojid'), session(), Mail(), None
    kojid = Kojid(mail)
    host = s.getHost(HOST, strict=True)['id']
    s.editHost(HOST, arches='x86_64', capacity=20.0)
    for channel in ('default', 'createrepo'):
        s.addHostToChannel(HOST, channel) if channel not in [c['name'] for c in s.listChannels(hostID=HOST)] else None
    daemon = kojid.start('--force-lock')  # as its service does: after a restart it takes its own session over
    git = Git()
    try:
        run(checks, s, host, kojid, daemon, git, mail)
    finally:
        daemon.stop()
        git.daemon.stop()
    with checks.check('no traceback in its log'):
        # Tasks that were to fail stand there as tracebacks, whose last line is the error.
        errors = re.findall(r'^\w[\w.]*(?:Error|Exception|Fault)\b.*$', daemon.text(), re.M)
        same([e for e in errors if not re.match('koji.BuildError: error building package|koji.GenericError: Build already exists', e)], [], 'errors')
    checks.end()


def run(checks, s, host, kojid, daemon, git, mail):
    def repo():
        return until(lambda: s.getRepo('dist-build'))['id']

    with checks.check('logs in and reports for work'):
        until(lambda: s.getHost(host)['ready'] or not daemon.running())
        assert daemon.running(), daemon.text()[-500:]
        assert s.getLastHostUpdate(host), 'no update of the host'
    if not daemon.running():
        return
    with checks.check('the session is exclusive'):
        status, out = program(*kojid.command, '--skip-main', timeout=60)
        same(status, 1, 'exit status of a second one')
        assert 'Unable to get lock' in out, out
    with checks.check('newRepo and createrepo'):
        task = s.makeTask('newRepo', ['dist-build'], channel='createrepo', assign=host)  # a free one the hub takes up itself
        ended(s, task)
        on_host(s, task, host)
        same([t['method'] for t in s.getTaskChildren(task)], ['createrepo'], 'its tasks')
        made = s.repoInfo(s.getTaskResult(task)[0], strict=True)
        same((koji.REPO_STATES[made['state']], made['task_id']), ('READY', task), 'repository')
        status, out = program('dnf', 'repoquery', '-q', '--repofrompath', f'k,{FILES}/repos/dist-build/{made["id"]}/x86_64', '--repo', 'k', '--setopt=reposdir=/none',
                              '--setopt=cachedir=' + os.path.join(WORK, 'dnf'), '--releasever', '1')
        same((status, 'library-0:2.1-2.x86_64' in out), (0, True), out)
    with checks.check('build of a source package'):
        source = upload_srpm(s, rpms('-bs', 'hello')[0])
        task = s.build(source, 'dist', {'repo_id': repo()})
        built(s, task, 'dist-candidate')
        on_host(s, task, host)
        same([t['method'] for t in s.getTaskChildren(task)], ['rebuildSRPM', 'buildArch', 'tagBuild'], 'its tasks')
        for name in ('build.log', 'hello-1.0-1.x86_64.rpm'):
            assert any(name in s.listTaskOutput(t['id']) for t in s.getTaskChildren(task)), f'no {name} among the output'
    with checks.check('the same build once more fails'):
        task = s.build(source, 'dist', {'repo_id': repo()})
        ended(s, task, 'FAILED')
        same(koji.BUILD_STATES[s.getBuild('hello-1.0-1')['state']], 'COMPLETE', 'the build')
    with checks.check('build from git, with sources fetched in the root'):
        url = git.add('hello', version='2.0')
        task = s.build(url, 'dist', {'repo_id': repo()})
        build = built(s, task, 'dist-candidate')
        same(build['source'], url, 'source')
        same([t['method'] for t in s.getTaskChildren(task)], ['buildSRPMFromSCM', 'buildArch', 'tagBuild'], 'its tasks')
    with checks.check('scratch build of a source package as it is'):
        task = s.build(upload_srpm(s, rpms('-bs', 'second')[0]), 'dist', {'repo_id': repo(), 'scratch': True, 'rebuild_srpm': False})
        ended(s, task)
        same([t['method'] for t in s.getTaskChildren(task)], ['buildArch'], 'its tasks')
        same(s.listBuilds(taskID=task), [], 'builds')
        found = glob.glob(os.path.join(TOPDIR, f'scratch/kojiadmin/task_{task}/*.rpm'))
        same(len(found), 3, f'files {found}')
    with checks.check('failing build'):
        task = s.build(git.add('broken', build='false'), 'dist', {'repo_id': repo()})
        ended(s, task, 'FAILED')
        same(koji.BUILD_STATES[s.listBuilds(taskID=task)[0]['state']], 'FAILED', 'state')
        child = [t for t in s.getTaskChildren(task) if t['method'] == 'buildArch'][0]
        assert b'exit 1' in s.downloadTaskOutput(child['id'], 'build.log') or b'error' in s.downloadTaskOutput(child['id'], 'build.log'), 'log'
        assert 'build.log' in s.getTaskResult(child['id'], raise_fault=False)['faultString'], 'fault'
    with checks.check('canceled build'):
        task = s.build(git.add('slow', build='# mock: wait'), 'dist', {'repo_id': repo()})
        until(lambda: any('build.log' in s.listTaskOutput(t['id']) and b'waiting to be killed' in s.downloadTaskOutput(t['id'], 'build.log')
                          for t in s.getTaskChildren(task) if t['method'] == 'buildArch'))
        assert s.cancelBuild('slow-1.0-1'), 'not canceled'
        ended(s, task, 'CANCELED')
        for t in s.getTaskChildren(task):
            if t['method'] == 'buildArch':
                ended(s, t['id'], 'CANCELED')
        same(koji.BUILD_STATES[s.getBuild('slow-1.0-1')['state']], 'CANCELED', 'state')
        until(lambda: '--rebuild' not in processes(kojid.mockdir))
    with checks.check('canceled task, which frees its build'):
        task = s.build(git.add('slow2', build='# mock: wait'), 'dist', {'repo_id': repo(), 'skip_tag': True})
        until(lambda: [t for t in s.getTaskChildren(task) if t['method'] == 'buildArch' and koji.TASK_STATES[t['state']] == 'OPEN'])
        s.cancelTask(task, recurse=True)
        ended(s, task, 'CANCELED')
        until(lambda: not s.listTasks(opts={'host_id': host, 'state': [koji.TASK_STATES['OPEN'], koji.TASK_STATES['ASSIGNED']]}))
    with checks.check('chain build with waitrepo'):
        s.packageListAdd('dist-build', 'hello', 'kojiadmin')
        urls = [git.add('chain'), git.add('second', version='3.0')]
        s.createBuildTarget('chain', 'dist-build', 'dist')
        task = s.chainBuild([[urls[0]], [urls[1]]], 'chain')
        ended(s, task, seconds=240)
        same(sorted(t['method'] for t in s.getTaskChildren(task)), ['build', 'build', 'waitrepo'], 'its tasks')
        assert {'chain-1.0-1', 'second-3.0-1'} <= {b['nvr'] for b in s.listTagged('dist')}, 'not tagged'
    with checks.check('waitrepo'):
        task = s.makeTask('waitrepo', ['dist-build', None, ['chain-1.0-1']])
        ended(s, task)
        on_host(s, task, host)
    with checks.check('tagBuild and moveBuild'):
        task = s.tagBuild('dist-signed', 'hello-1.0-1')
        ended(s, task)
        on_host(s, task, host)
        ended(s, s.moveBuild('dist-candidate', 'dist', 'hello-2.0-1'))
        assert 'hello-2.0-1' in {b['nvr'] for b in s.listTagged('dist')}, 'not moved'
    with checks.check('dist-repo'):
        task = s.distRepo('dist-candidate', [], arch=['x86_64'], comps=None, delta_rpms=[], event=None, volume=None, inherit=True, latest=True, multilib=False,
                          split_debuginfo=False, skip_missing_signatures=False, allow_missing_signatures=True, zck=False, zck_dict_dir=None, write_signed_rpms=False, skip_stat=True)
        s.assignTask(task, HOST, True)  # the hub would make it itself
        ended(s, task)
        on_host(s, task, host)
        made = s.repoInfo(s.getTaskRequest(task)[1], strict=True)
        same((made['dist'], koji.REPO_STATES[made['state']]), (True, 'READY'), 'repository')
        path = os.path.join(TOPDIR, f'repos-dist/dist-candidate/{made["id"]}/x86_64')
        assert glob.glob(path + '/Packages/h/hello-*.x86_64.rpm'), f'no package below {path}'
        assert os.path.isfile(path + '/repodata/repomd.xml'), 'no repomd.xml'
    with checks.check('mails of builds and tags'):
        until(lambda: not s.listTasks(opts={'state': [0, 1, 4], 'method': 'buildNotification'}) and not s.listTasks(opts={'state': [0, 1, 4], 'method': 'tagNotification'}))
        for method in ('buildNotification', 'tagNotification'):
            tasks = s.listTasks(opts={'method': method})
            assert tasks, f'no {method}'
            same({koji.TASK_STATES[t['state']] for t in tasks}, {'CLOSED'}, method)
        assert any('hello-1.0-1' in m for m in mail.messages), 'no mail of hello-1.0-1'
    with checks.check('restart'):
        before = s.getHost(host)
        task = s.makeTask('restart', [before], channel='default')
        s.assignTask(task, HOST)
        ended(s, task)
        task = s.makeTask('waitrepo', ['dist-build'])
        ended(s, task)
        assert daemon.running(), 'kojid is gone'
    with checks.check('restartHosts'):
        ended(s, s.makeTask('restartHosts', [{'channel': 'default', 'arches': ['x86_64']}]), seconds=240)
    with checks.check('buildroots are cleaned up'):
        same(s.listBuildroots(hostID=host, state=[0, 1, 2]), [], 'buildroots in use')
    with checks.check('shutdown'):
        task = s.makeTask('shutdown', [], channel='default')
        s.assignTask(task, HOST)
        same(daemon.process.wait(60), 0, 'exit status')
        # kojid frees the task; the host still counts as ready, so the hub may have given it the task again
        state = koji.TASK_STATES[s.getTaskInfo(task)['state']]
        assert state in ('FREE', 'ASSIGNED'), f'the task, which kojid frees, is {state}'
        s.cancelTask(task)
        until(lambda: not s.getHost(host)['ready'])


def processes(word):
    return subprocess.run(['ps', '-eo', 'args'], stdout=subprocess.PIPE, text=True, check=True).stdout if word else ''


if __name__ == '__main__':
    sys.exit(main())
