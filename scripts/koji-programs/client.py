#!/usr/bin/python3
"""Runs the commands of client-commands.txt with Koji's command line client, in order, and compares exit status and output."""
import json
import os
import re
import runpy
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback

import koji
from hub import KOJI, PASSWORD, TOPDIR, WORK, Checks, program, same, session
from populate import import_build, rpms

sys.path.insert(0, os.path.join(KOJI, 'cli'))
import koji_cli.commands  # noqa: E402,F401
import koji_cli.lib  # noqa: E402,F401

CLIENT = os.path.join(KOJI, 'cli/koji')
LOGINS = {'visitor': ['--noauth'], 'packager': ['--user', 'packager', '--password', PASSWORD], 'kojiadmin': ['--user', 'kojiadmin', '--password', PASSWORD]}


def run_client(words, cwd):
    """Runs the client in a fork of this process, which has its modules in memory already; answers exit status and output."""
    with tempfile.TemporaryFile('w+', encoding='utf-8', errors='replace') as out:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.chdir(cwd)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
                sys.argv = [CLIENT, '-c', os.path.join(WORK, 'koji.conf')] + words
                signal.alarm(120)
                runpy.run_path(CLIENT, run_name='__main__')
                status = 0
            except SystemExit as e:
                status = e.code if isinstance(e.code, int) else int(e.code is not None)
                if isinstance(e.code, str):
                    print(e.code)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        return status, out.read()


class Lazy(dict):
    """The values that stand in the table's braces; those that commands make are looked up when they are wanted."""

    def __init__(self, s, fixed):
        super().__init__(fixed)
        self.s = s

    def __missing__(self, name):
        s, last = self.s, {'order': '-id', 'limit': 1}
        return {
            'event': lambda: s.getLastEvent()['id'],
            'lasttask': lambda: s.listTasks(queryOpts=last)[0]['id'],
            'canceledtask': lambda: s.listTasks(opts={'state': [koji.TASK_STATES['CANCELED']], 'parent': None, 'method': 'sleep'}, queryOpts=last)[0]['id'],
            'request': lambda: max(r['id'] for r in s.repo.queryQueue([], ['id'])),
            'repo': lambda: max(r['id'] for r in s.repo.query([], ['id'])),
            'notification': lambda: s.getBuildNotifications(s.getLoggedInUser()['id'])[-1]['id'],
            'block': lambda: s.getBuildNotificationBlocks(s.getLoggedInUser()['id'])[-1]['id'],
        }[name]()


def write(name, text):
    path = os.path.join(WORK, name)
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)
    return path


def signed(s):
    """Builds a package, signs it with a key of its own, and answers key id and the signed file."""
    home = os.path.join(WORK, 'gnupg')
    os.makedirs(home, mode=0o700)
    os.environ['GNUPGHOME'] = home
    same(program('gpg', '--batch', '--passphrase', '', '--quick-gen-key', 'checks@example.com', 'rsa2048', 'sign', 'never')[0], 0, 'gpg')
    files = rpms('-ba', 'signed')
    import_build(s, files, 'dist')
    binary = [f for f in files if f.endswith('.x86_64.rpm')][0]
    status, out = program('rpmsign', '--addsign', '--define', '_gpg_name checks@example.com', '--define', f'_gpg_path {home}', '--define', f'__gpg {shutil.which("gpg")}', binary)
    program('gpgconf', '--kill', 'gpg-agent')
    same(status, 0, out)
    header = koji.get_rpm_header(binary)
    return koji.get_sigpacket_key_id(koji.get_header_field(header, 'siggpg') or koji.get_header_field(header, 'rsaheader')), binary


def values(s):
    found = {}
    found['key'], found['signed'] = signed(s)
    builds = s.listTasks(opts={'method': 'build', 'state': [koji.TASK_STATES['CLOSED']], 'parent': None}, queryOpts={'order': 'id', 'limit': 1})
    found['buildtask'] = builds[0]['id'] if builds else s.makeTask('build', ['none', 'dist'])
    arch = [t['id'] for t in s.getTaskChildren(found['buildtask']) if t['method'] == 'buildArch']
    found['archtask'] = arch[0] if arch else found['buildtask']
    roots = s.listBuildroots(taskID=found['archtask'])
    found['buildroot'] = roots[0]['id'] if roots else 0
    found['imported'] = rpms('-ba', 'imported')[0]
    found['srpm'] = rpms('-bs', 'hello', version='9.0')[0]
    found['image'] = write('image.qcow2', 'an image')
    found['kickstart'] = write('client.ks', 'lang en_US\n')
    found['comps'] = write('comps.xml', '<comps><group><id>devel</id><name>Development</name><description>Tools</description><uservisible>true</uservisible>'
                           '<packagelist><packagereq type="mandatory">library</packagereq></packagelist></group></comps>\n')
    found['mavenchain'] = write('chain.ini', '[group-a]\nscmurl = git://127.0.0.1/a#abc\n\n[group-b]\nscmurl = git://127.0.0.1/b#abc\nbuildrequires = group-a\n')
    os.makedirs(os.path.join(WORK, 'cg'), exist_ok=True)
    log = write('cg/build.log', 'made by a generator\n')
    now = int(time.time())
    build = {'name': 'generated', 'version': '1.0', 'release': '1', 'source': 'http://127.0.0.1/', 'start_time': now - 10, 'end_time': now, 'extra': {}}
    root = {'id': 1, 'host': {'os': 'linux', 'arch': 'x86_64'}, 'content_generator': {'name': 'generator', 'version': '1'}, 'container': {'type': 'none', 'arch': 'x86_64'},
            'tools': [], 'components': [], 'extra': {}}
    output = {'buildroot_id': 1, 'filename': 'build.log', 'filesize': os.path.getsize(log), 'arch': 'noarch', 'checksum_type': 'sha256', 'type': 'log',
              'checksum': program('sha256sum', log)[1].split()[0]}
    found['cgmetadata'] = write('cg.json', json.dumps({'metadata_version': 0, 'build': build, 'buildroots': [root], 'output': [output]}))
    found['cgreserve'] = write('cg-reserve.json', json.dumps({'build': {'name': 'reserved', 'version': '1.0', 'release': '1', 'epoch': None, 'extra': {}}}))
    os.makedirs(os.path.join(TOPDIR, 'vol/client-volume'), exist_ok=True)
    found['cgfiles'] = os.path.join(WORK, 'cg')
    s.grantCGAccess('kojiadmin', 'generator', create=True)
    return found


def main():
    checks, s = Checks('client'), session()
    known = Lazy(s, values(s))
    directory = os.path.join(WORK, 'client')
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'client-commands.txt'), encoding='utf-8') as f:
        lines = [line.strip() for line in f if line.strip() and not line.startswith('#')]
    run = set()
    for line in lines:
        command, _, pattern = line.partition(' ## ')
        status, _, command = command.partition(' ')
        with checks.check(command):
            words = [w.format_map(known) if '{' in w else w for w in shlex.split(command)]
            login = LOGINS[words.pop(0) if words[0] in LOGINS else 'kojiadmin']
            run.add(words[0])
            got, out = run_client(login + words, directory)
            assert 'Traceback' not in out, out[-1500:]
            same(got, int(status), f'exit status; output: {out[-300:]}')
            assert not pattern or re.search(pattern, out, re.M), f'no {pattern} in: {out[-300:]}'
    with checks.check('every command was run'):
        with open(os.path.join(KOJI, 'cli/koji_cli/commands.py'), encoding='utf-8') as f:
            every = {n.replace('_', '-') for n in re.findall(r'^def (?:anon_)?handle_(\w+)\(', f.read(), re.M)}
        same(every - run, set(), 'not run')
    checks.end()


if __name__ == '__main__':
    sys.exit(main())
