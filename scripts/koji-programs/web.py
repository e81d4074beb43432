#!/usr/bin/python3
"""Runs koji-web against a hub and asks it for every page.

The pages are the handlers of koji-web's index.py, listed by program. Most of them are reached by following the links of
the pages, from the front page on, first as a visitor and then as a user who is logged in; every way of sorting, filtering
and paging that a page offers is such a link. What no link leads to (forms, feeds, raw log files) has a line in
web-pages.txt, and so have the actions that change something, which come last.

A page passes when it answers 200, or 302 to somewhere else than the login. Each failure is a line, each handler another.
Exit status 1 when a page fails or a handler was not reached.

koji-web lets its users in by certificates or Kerberos only, both of which its web server takes care of. Here the session
to the hub is opened with the user's password instead, and the user's cookie is made by koji-web's own function.
"""
import collections
import html.parser
import inspect
import os
import re
import sys
import time
import urllib.parse
import wsgiref.util

import koji
from hub import FILES, HUB, KOJI, PASSWORD, WORK, session

USER = 'kojiadmin'
HERE = os.path.dirname(os.path.abspath(__file__))
# A link is followed when something of it (a parameter of its page, or a way of sorting or filtering) was asked for less
# often than this. Without a bound the pages' menus combine to millions.
OFTEN = 4


class Links(html.parser.HTMLParser):
    """Collects the addresses that a page links to, those of the menus that filter and page included."""

    def __init__(self):
        super().__init__()
        self.links = []
        self.menu = None

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == 'a' and attrs.get('href'):
            self.links.append(attrs['href'])
        elif tag == 'select':
            # The script of such a menu goes to: 'page?name=' + this.value * 50 + '&more'
            self.menu = re.search(r"'(\w+\?\w+=)' \+ this\.value(?: \* (\d+))?(?: \+ '([^']*)')?", attrs.get('onchange') or '')
        elif tag == 'option' and self.menu and attrs.get('value'):
            before, times, after = self.menu.groups()
            value = str(int(attrs['value']) * int(times)) if times else urllib.parse.quote(attrs['value'])
            self.links.append(before + value + (after or ''))

    def handle_endtag(self, tag):
        if tag == 'select':
            self.menu = None


class Web:
    """koji-web in this process, asked through WSGI."""

    def __init__(self):
        self.www = os.path.join(KOJI, 'www')
        sys.path[:0] = [os.path.join(self.www, 'kojiweb'), os.path.join(self.www, 'lib'), os.path.join(KOJI, 'cli')]
        conf = os.path.join(WORK, 'web.conf')
        with open(conf, 'w', encoding='utf-8') as f:
            f.write(f'[web]\nSiteName = koji\nKojiHubURL = {HUB}\nKojiFilesURL = {FILES}\nKojiTheme =\n'
                    f'WebAuthType = ssl\nWebCert = {conf}\nSecret = checked-by-web.py\nLibPath = {self.www}/lib\nPythonDebug = true\n')
        self.conf = conf

        def login(session, *_, **__):
            session.opts['user'], session.opts['password'] = USER, PASSWORD
            return session.login()
        koji.ClientSession.ssl_login = login
        import wsgi_publisher
        self.app = wsgi_publisher.Dispatcher().application
        self.cookie = ''

    def log_in(self, name):
        """Makes the cookie of a user who is logged in."""
        import index
        import koji.util
        environ = {'koji.options': {'Secret': koji.util.HiddenValue('checked-by-web.py'), 'LoginTimeout': 72}, 'SCRIPT_NAME': '/koji/x', 'koji.headers': []}
        index._setUserCookie(environ, name)
        self.cookie = environ['koji.headers'][0][1].split(';')[0]

    def token(self):
        """koji-web's proof that a click came from one of its pages, which it puts into the links of those who are logged in."""
        return re.search(r'\ba=([0-9a-f]{64})', self.get('tags')[2]).group(1)

    def get(self, page):
        """Asks for a page; answers status, headers and text."""
        path, _, query = page.partition('?')
        environ = {
            'REQUEST_METHOD': 'GET', 'SCRIPT_NAME': '/koji', 'PATH_INFO': '/' + path, 'QUERY_STRING': query,
            'REQUEST_URI': '/koji/' + page, 'REQUEST_SCHEME': 'https', 'wsgi.url_scheme': 'https', 'HTTPS': 'on',
            'SERVER_NAME': 'koji.example.com', 'SERVER_PORT': '443', 'REMOTE_ADDR': '127.0.0.1', 'HTTP_COOKIE': self.cookie,
            'SSL_CLIENT_VERIFY': 'SUCCESS', 'SSL_CLIENT_S_DN_CN': USER,
            'SCRIPT_FILENAME': os.path.join(self.www, 'kojiweb', 'wsgi_publisher.py'), 'koji.web.ConfigFile': self.conf,
            'koji.web.ConfigDir': os.path.join(WORK, 'none.d'),
        }
        wsgiref.util.setup_testing_defaults(environ)
        answer = {}

        def start(status, headers, exc_info=None):
            answer['status'], answer['headers'] = status, {k.lower(): v for k, v in headers}
        data = b''.join(x if isinstance(x, bytes) else x.encode() for x in self.app(environ, start))
        return int(answer['status'].split()[0]), answer['headers'], data.decode('utf-8', 'replace')


class Check:
    """The walk through the pages and its account."""

    def __init__(self, web, handlers):
        self.web, self.handlers = web, handlers
        self.asked = collections.Counter()
        self.failed = collections.Counter()
        self.seconds = collections.Counter()
        self.kinds = collections.Counter()
        self.seen = set()
        self.actions = set()

    def fail(self, handler, page, why):
        self.failed[handler] += 1
        print(f'FAIL web {page}: {why}', flush=True)

    def ask(self, page, redirect=False):
        """Asks for one page and books the outcome; answers its text."""
        handler = page.partition('?')[0] or 'index'
        begin = time.monotonic()
        try:
            status, headers, text = self.web.get(page)
        except Exception as e:  # a generator of a page may raise
            self.asked[handler] += 1
            self.fail(handler, page, f'{type(e).__name__}: {e}')
            return ''
        self.seconds[handler] += time.monotonic() - begin
        self.asked[handler] += 1
        where = headers.get('location', '')
        if status == 302 and ('login' in where and handler not in ('login', 'logout')):
            self.fail(handler, page, 'is sent to the login')
        elif redirect and status != 302:
            self.fail(handler, page, f'{status}, the action was not done: {reason(text)}')
        elif status not in (200, 302):
            self.fail(handler, page, f'{status}: {reason(text)}')
        elif status == 302 and not redirect:
            return f'<a href="{where}">'
        return text

    def walk(self, first):
        """Follows the links from the pages given."""
        queue = collections.deque(first)
        while queue:
            page = queue.popleft()
            key = re.sub(r'&?\ba=[0-9a-f]*', '', page)
            handler = key.partition('?')[0]
            if handler in self.actions:
                continue
            if handler and handler not in self.handlers:
                self.fail(handler, page, 'a link to a page that is not there')
                continue
            traits = traits_of(key, bool(self.web.cookie))
            if all(self.kinds[t] >= OFTEN for t in traits):
                continue
            self.kinds.update(traits)
            text = self.ask(page)
            parser = Links()
            parser.feed(text)
            for link in map(local, parser.links):
                key = link and (re.sub(r'&?\ba=[0-9a-f]*', '', link), self.web.cookie)
                if link and key not in self.seen:
                    self.seen.add(key)
                    queue.append(link)


def traits_of(page, logged_in):
    """What a link is made of: its page with each parameter, and with each order and filter that it asks for."""
    handler, _, query = page.partition('?')
    told = {'order', 'state', 'method', 'view', 'type', 'inherited', 'all', 'active', 'ready', 'latest', 'match'}
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    return [(handler, logged_in)] * (not pairs) + [(handler, logged_in, k, v if k in told or k.endswith('Order') else '') for k, v in pairs]


def local(link):
    """A link's address below koji-web, None when it leads elsewhere, as do koji-web's links to the repository of a buildroot without one."""
    link = link.split('#')[0]
    for prefix in ('https://koji.example.com/koji/', '/koji/'):
        if link.startswith(prefix):
            link = link[len(prefix):]
    if not link or link.endswith('=None') or link.startswith(('http:', 'https:', '/', 'mailto:', 'javascript:')):
        return None
    return link


def reason(text):
    """What an error page says."""
    found = re.findall(r'(?:koji\.[A-Za-z.]+(?:Error|Fault|Expired)|[A-Za-z.]*(?:Error|Fault|Exception)\b)[:( ][^<\n]*', text)
    return re.sub(r'\s+', ' ', found[-1])[:300] if found else re.sub(r'<[^>]*>|\s+', ' ', text)[-300:]


def table():
    """Reads web-pages.txt: pages to ask for, and actions that change something."""
    pages, actions = [], []
    with open(os.path.join(HERE, 'web-pages.txt'), encoding='utf-8') as f:
        for line in f:
            words = line.split()
            if words and not words[0].startswith('#'):
                {'page': pages, 'action': actions}[words[0]].append(words[1])
    return pages, actions


class Values:
    """What the placeholders of web-pages.txt stand for: an id or a name of each kind of thing on the hub, the newest one."""

    def __init__(self, session):
        self.session = session
        self.found = {'username': USER, 'stamp': int(time.time())}
        self.found['user'] = session.getUser(USER)['id']

    def newest(self, rows, key='id'):
        return max((r[key] for r in rows), default=0)

    def look_up(self, name):
        """Finds a value anew, for actions make and unmake things."""
        s, last = self.session, {'order': '-id', 'limit': 1}
        if name in self.found:
            return self.found[name]
        if name in ('build', 'package', 'packagename'):
            build = s.listBuilds(state=1, queryOpts={'order': '-build_id', 'limit': 1})[0]
            return build[{'build': 'build_id', 'package': 'package_id', 'packagename': 'package_name'}[name]]
        if name == 'task':
            rows = s.listTasks(opts={'method': 'buildArch', 'state': [2]}, queryOpts=last) or s.listTasks(queryOpts=last)
            return self.newest(rows)
        return {
            'tag': lambda: self.newest(s.listTags()), 'parent': lambda: min(t['id'] for t in s.listTags()),
            'tagname': lambda: s.listTags()[0]['name'], 'event': lambda: s.getLastEvent()['id'],
            'host': lambda: self.newest(s.listHosts()), 'target': lambda: self.newest(s.getBuildTargets()),
            'targetname': lambda: s.getBuildTargets()[0]['name'], 'buildroot': lambda: self.newest(s.listBuildroots(queryOpts=last)),
            'rpm': lambda: self.newest(s.listRPMs(buildID=self.look_up('build'))), 'repo': lambda: self.newest(s.repo.query([], ['id'])),
            'notification': lambda: self.newest(s.getBuildNotifications(self.found['user'])),
            'session': lambda: session().sinfo['session-id'],
            'archive': lambda: self.newest(s.listArchives(queryOpts=last)), 'extrepo': lambda: self.newest(s.listExternalRepos()),
            'rpmfile': lambda: s.listRPMFiles(self.look_up('rpm'))[0]['name'],
            'hostuser': lambda: max(s.listHosts(), key=lambda h: h['id'])['user_id'],
            'canceledtask': lambda: self.newest(s.listTasks(opts={'method': 'sleep', 'state': [3]}, queryOpts=last)),
            'freetask': lambda: s.makeTask('sleep', [1], channel='default'),
            'assignedtask': lambda: s.makeTask('sleep', [1], channel='default', assign=self.look_up('host')),
            'openbuild': self.reserve,
        }[name]()

    def reserve(self):
        """Makes a build that is not complete."""
        self.session.grantCGAccess(USER, 'web-generator', create=True)
        return self.session.CGInitBuild('web-generator', {'name': 'web', 'version': '1', 'release': '1', 'epoch': None})['build_id']

    def fill(self, text):
        return re.sub(r'\{(\w+)\}', lambda m: urllib.parse.quote(str(self.look_up(m.group(1)))), text)


def main():
    web = Web()
    web.get('')  # the first request makes koji-web load its handlers
    import index
    specs = {n: inspect.getfullargspec(f) for n, f in vars(index).items() if inspect.isfunction(f) and not n.startswith('_')}
    handlers = {n for n, spec in specs.items() if spec.args[:1] == ['environ']}
    check = Check(web, handlers)
    pages, actions = table()
    check.actions = {a.partition('?')[0] for a in actions}
    # A page whose parameters may all be left out is asked for without them, but for those that want one of several.
    plain = [n for n in sorted(handlers - {'buildtargetinfo', 'hostinfo'}) if len(specs[n].args) == 1 + len(specs[n].defaults or ())]
    s = session()
    values = Values(s)
    pages = [values.fill(p) for p in pages if '{token}' not in p] + [p for p in pages if '{token}' in p]
    check.walk([''] + plain + [p for p in pages if '{token}' not in p])
    web.log_in(USER)
    values.found['token'] = web.token()
    check.walk([''] + plain + [values.fill(p) for p in pages])
    for page in actions:
        check.ask(values.fill(page), redirect=True)
    s.logout()
    for handler in sorted(handlers):
        n, bad = check.asked[handler], check.failed[handler]
        print(f'{"FAIL" if bad or not n else "ok  "} web {handler}: {n} pages, {bad} failed, {1000 * check.seconds[handler] / max(n, 1):.0f} ms each')
    print(f'web: {sum(check.asked.values())} pages of {len(handlers)} handlers, {sum(check.failed.values())} failed')
    sys.exit(1 if check.failed or any(not check.asked[h] for h in handlers) else 0)


if __name__ == '__main__':
    main()
