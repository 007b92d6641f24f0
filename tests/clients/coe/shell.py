"""Runs `openstack` commands that come as lines of JSON on stdin, and answers each with a line: its exit code and what it
printed. Loading the client takes seconds, so it is loaded once; each command is a process forked from this one, and has
nothing of the others."""
import contextlib
import gc
import io
import json
import logging
import os
import shlex
import sys
import tempfile

sys.argv = ['openstack']  # what it calls itself in what it prints
import magnumclient.v1.client  # noqa: E402,F401 (loaded here, not in each command)
from openstackclient import shell  # noqa: E402

with contextlib.redirect_stdout(io.StringIO()):
    shell.OpenStackShell().run(['coe', 'cluster', 'list', '--help'])  # finds the commands there are
gc.collect()
gc.freeze()  # what is loaded stays shared by all processes


def become(command, environment, out, err):
    """Makes this process the command. It does not return."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    logging.getLogger().handlers.clear()  # those of the first one
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = shlex.split(command)
    try:
        code = shell.main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # without the tidying up, which takes as long as the command


def run(command, environment):
    with tempfile.TemporaryFile('w+') as out, tempfile.TemporaryFile('w+') as err:
        child = os.fork()
        if child == 0:
            become(command, environment, out, err)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return {'code': os.waitstatus_to_exitcode(status), 'out': out.read(), 'err': err.read()}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(run(request['command'], request['environment'])), flush=True)
