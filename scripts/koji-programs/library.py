#!/usr/bin/python3
"""Uses Koji's Python library as scripts do: sessions of every kind, multicalls, uploads, downloads, faults."""
import hashlib
import os
import sys

import koji
import koji.tasks
from hub import FILES, HUB, PASSWORD, TOPDIR, WORK, Checks, same, session


def refused(error, call):
    """The call must end with this error; answers its text."""
    try:
        got = call()
    except error as e:
        return str(e)
    raise AssertionError(f'answered {got!r} instead of {error.__name__}')


def multicalls(checks, s):
    with checks.check('multicall: context manager'):
        with s.multicall() as m:
            tags, version, unknown = m.listTags(), m.getAPIVersion(), m.getTag('none-such')
        same((bool(tags.result), version.result, unknown.result), (True, 1, None), 'results')
    with checks.check('multicall: strict'):
        def strict():
            with s.multicall(strict=True) as m:
                m.getTag('none-such', strict=True)
        refused(koji.GenericError, strict)
    with checks.check('multicall: batches'):
        with s.multicall(strict=True, batch=7) as m:
            calls = [m.echo(i) for i in range(50)]
        same([c.result[0] for c in calls], list(range(50)), 'results')
    with checks.check('multicall: one fault among answers'):
        with s.multicall() as m:
            first, bad, last = m.echo(1), m.getBuild('none-such-1-1', strict=True), m.echo(2)
        same((first.result, last.result), ([1], [2]), 'results')
        refused(koji.GenericError, lambda: bad.result)
    with checks.check('multicall: the old way'):
        s.multicall = True
        s.echo('x')
        s.getTag('none-such', strict=True)
        answers = s.multiCall()
        same((answers[0], answers[1]['faultCode']), ([['x']], 1000), 'answers')
    with checks.check('multicall: writes within'):
        with s.multicall(strict=True) as m:
            for i in range(5):
                m.createTag(f'multi-{i}')
        same(len([t for t in s.listTags() if t['name'].startswith('multi-')]), 5, 'tags')
        with s.multicall(strict=True, batch=2) as m:
            for i in range(5):
                m.deleteTag(f'multi-{i}')


def uploads(checks, s):
    data = os.urandom(3 * 1024 * 1024 + 17)
    path = os.path.join(WORK, 'random.bin')
    with open(path, 'wb') as f:
        f.write(data)

    def arrived(directory, name='random.bin'):
        with open(os.path.join(TOPDIR, 'work', directory, name), 'rb') as f:
            same(hashlib.sha256(f.read()).hexdigest(), hashlib.sha256(data).hexdigest(), 'content')
    with checks.check('fastUpload'):
        s.fastUpload(path, 'library/fast', blocksize=1000000)
        arrived('library/fast')
        same(s.checkUpload('library/fast', 'random.bin')['size'], len(data), 'size')
    with checks.check('fastUpload again, into the file that is there'):
        s.fastUpload(path, 'library/fast', overwrite=True)
        arrived('library/fast')
    with checks.check('uploadWrapper under another name'):
        s.uploadWrapper(path, 'library/wrapped', name='other.bin', blocksize=700000)
        arrived('library/wrapped', 'other.bin')
    with checks.check('the old uploadFile'):
        s.opts['use_fast_upload'] = False
        s.uploadWrapper(path, 'library/old', blocksize=65536)
        s.opts['use_fast_upload'] = True
        arrived('library/old')
    with checks.check('an empty file'):
        empty = os.path.join(WORK, 'empty')
        with open(empty, 'wb'):
            pass
        s.fastUpload(empty, 'library/fast')
        same(os.path.getsize(os.path.join(TOPDIR, 'work/library/fast/empty')), 0, 'size')
    with checks.check('upload to a path outside is refused'):
        refused(koji.GenericError, lambda: s.fastUpload(path, '../outside'))


def sessions(checks, s):
    with checks.check('wrong password'):
        wrong = koji.ClientSession(HUB, {'user': 'kojiadmin', 'password': PASSWORD + 'x'})
        refused(koji.AuthError, wrong.login)
    with checks.check('anonymous calls'):
        visitor = koji.ClientSession(HUB)
        same(visitor.getLoggedInUser(), None, 'user')
        refused(koji.ActionNotAllowed, lambda: visitor.createTag('of-a-visitor'))
    with checks.check('a user without permission'):
        packager = session('packager')
        text = refused(koji.ActionNotAllowed, lambda: packager.createTag('of-a-packager'))
        assert 'tag' in text, text
        packager.logout()
    with checks.check('subsession, and its end with its parent'):
        parent = session()
        child = parent.subsession()
        same(child.getLoggedInUser()['name'], 'kojiadmin', 'user')
        parent.logout()
        refused(koji.AuthError, child.getLoggedInUser)
    with checks.check('logout of another session of the same user'):
        first, second = session(), session()
        second.logout(session_id=first.sinfo['session-id'])
        refused(koji.AuthError, first.getLoggedInUser)
        second.logout()
    with checks.check('an exclusive session'):
        first, second = session('packager'), session('packager')
        first.exclusiveSession()
        refused(koji.AuthLockError, second.exclusiveSession)
        second.exclusiveSession(force=True)
        refused(koji.AuthError, first.getLoggedInUser)
        second.sharedSession()
        second.logout()
    with checks.check('session information'):
        same(s.getSessionInfo(details=True)['id'], s.sinfo['session-id'], 'session')
        assert s.showSession(), 'showSession'
    with checks.check('unknown methods and parameters'):
        refused(koji.GenericError, lambda: s.noSuchMethod())
        refused(koji.ParameterError, lambda: s.getTag())
        refused(koji.ParameterError, lambda: s.getTag('dist', nothing=1))


def reads(checks, s):
    with checks.check('every argument-free reading method of the API answers'):
        wrong = []
        for method in s._listapi():
            name = method['name']
            required = [a for a in method.get('args') or [] if not isinstance(a, list)]
            if required or method['argspec'][1:3] != [None, None] and name in ('multiCall', 'system.multicall'):
                continue
            if not name.startswith(('get', 'list', 'show', 'count', 'query', '_list', 'has', 'maven', 'win', 'repo.query', 'repo.get', 'scheduler.get', 'system.')):
                continue
            try:
                s.callMethod(name)
            except koji.GenericError as e:
                if e.faultCode == 1:
                    wrong.append(f'{name}: {e}')
        same(wrong, [], 'faults')
    with checks.check('help of every method'):
        for name in s.system.listMethods():
            s.system.methodSignature(name)
            s.system.methodHelp(name)
    with checks.check('remote rpm headers'):
        rpm = s.listRPMs(buildID=s.getBuild('library-2.1-1')['id'], arches='x86_64')[0]
        url = f'{FILES}/{koji.PathInfo(topdir="").build(s.getBuild("library-2.1-1")).lstrip("/")}/{koji.pathinfo.rpm(rpm)}'
        with koji.openRemoteFile(url[len(FILES) + 1:], topurl=FILES) as f:
            same(koji.get_header_fields(koji.get_rpm_header(f), ['name', 'version']), {'name': 'library', 'version': '2.1'}, 'header')
        same(s.getRPMHeaders(rpm['id'], headers=['name', 'release'])['name'], 'library', 'headers by the hub')
        same(koji.hex_string(koji.get_header_field(koji.get_rpm_header(os.path.join(TOPDIR, url[len(FILES) + 1:])), 'sigmd5')), rpm['payloadhash'], 'hash')
    with checks.check('task requests are parsed'):
        for task in s.listTasks(opts={'decode': True}, queryOpts={'limit': 200}):
            koji.tasks.parse_task_params(task['method'], task['request'])


def main():
    checks, s = Checks('library'), session()
    multicalls(checks, s)
    uploads(checks, s)
    sessions(checks, s)
    reads(checks, s)
    with checks.check('logout'):
        s.logout()
        same(s.logged_in, False, 'logged in')
    checks.end()


if __name__ == '__main__':
    sys.exit(main())
