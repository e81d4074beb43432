"""What the checks share: where the hub is (from the environment, see koji-programs.sh), sessions, waiting, and the account of what passed."""
import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback

import koji

KOJI = os.environ['KOJI']
HUB = os.environ['HUB']
FILES = os.environ['FILES']
TOPDIR = os.environ['TOPDIR']
WORK = os.environ['WORK']
HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORD = 'koji-programs'

# What a step of kojid or kojira may take, in seconds: its loops pause a second or more between questions.
PATIENCE = 60

# One who ends a part ends its daemons, too: they are stopped on the way out.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def session(user='kojiadmin', **opts):
    """A session of Koji's library, logged in with a password."""
    s = koji.ClientSession(HUB, dict(opts, user=user, password=PASSWORD))
    s.login()
    return s


def until(what, seconds=PATIENCE):
    """Waits until what() answers something true, and answers that."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f'nothing after {seconds} s')
        time.sleep(0.2)


def ended(s, task_id, state='CLOSED', seconds=PATIENCE):
    """Waits for a task's end, which must be the one expected, and answers the task."""
    task = until(lambda: (t := s.getTaskInfo(task_id, request=True)) and koji.TASK_STATES[t['state']] in ('CLOSED', 'CANCELED', 'FAILED') and t, seconds)
    if koji.TASK_STATES[task['state']] != state:
        raise AssertionError(f'task {task_id} ({task["method"]}) ended {koji.TASK_STATES[task["state"]]}: {s.getTaskResult(task_id, raise_fault=False)}')
    return task


def same(got, want, what):
    if got != want:
        raise AssertionError(f'{what}: {got!r}, expected {want!r}')


def program(*argv, **kw):
    """Runs a program to its end; answers exit status and output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False, **kw)
    return done.returncode, done.stdout


class Daemon:
    """A daemon of Koji's in the background, with a log."""

    def __init__(self, name, *argv):
        self.log = os.path.join(WORK, name + '.log')
        with open(self.log, 'ab') as out:
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def text(self):
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def running(self):
        return self.process.poll() is None

    def stop(self):
        if self.running():
            self.process.terminate()
        self.process.wait(60)


class Checks:
    """The account: a line for each check."""

    def __init__(self, part):
        self.part, self.failed = part, 0

    @contextlib.contextmanager
    def check(self, name):
        begin = time.monotonic()
        try:
            yield
            print(f'ok   {self.part} {name} ({time.monotonic() - begin:.1f} s)', flush=True)
        except Exception as e:
            self.failed += 1
            with open(os.path.join(WORK, 'failures.log'), 'a', encoding='utf-8') as f:
                f.write(f'{self.part} {name}\n{traceback.format_exc()}\n')
            print(f'FAIL {self.part} {name}: {type(e).__name__}: {str(e)[:500]}', flush=True)

    def end(self):
        sys.exit(1 if self.failed else 0)
