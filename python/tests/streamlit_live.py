"""A real leak, live: an old Streamlit server keeps every ended browser session, and our own captures say who holds them.

    python3 python/tests/streamlit_live.py --retainers target/release/retainers

Makes a virtual environment with Streamlit 0.89 (needs CPython 3.8 or 3.9, and the package index), starts its server on
loopback under `python -m retainers run`, opens and closes sessions over its websocket, and captures it twice: from within,
by a signal, and from outside, by `retainers capture PID`. Both dumps must show the sessions on the receivers of blinker's
signal in the module `streamlit.config`. Exit code 0 when they do. Takes some minutes, most of them for the installation.
"""

import argparse
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ["streamlit==0.89.0", "blinker==1.4", "protobuf<3.21", "click<8.1", "jinja2<3.1", "altair<5", "websocket-client<2"]
#: What the answer must say, in this order: the module, its signal, the class that was kept.
CHAIN = ["held by module streamlit.config", "._on_config_parsed", "blinker.base.Signal", ".receivers[", "SessionState"]

SESSION = """
import sys, websocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
for _ in range(int(sys.argv[2])):
    page = websocket.create_connection("ws://127.0.0.1:%s/stream" % sys.argv[1], timeout=60)
    ask = BackMsg()
    ask.rerun_script.query_string = ""
    page.send_binary(ask.SerializeToString())
    kind = None
    while kind not in ("report_finished", "script_finished"):
        answer = ForwardMsg()
        answer.ParseFromString(page.recv())
        kind = answer.WhichOneof("type")
    page.close()
"""


def main():
    options = parse()
    work = os.path.abspath(options.keep or tempfile.mkdtemp(prefix="streamlit-live-"))
    os.makedirs(work, exist_ok=True)
    try:
        python = environment(os.path.join(work, "venv"))
        server, port = start_server(python, work)
        try:
            subprocess.run([python, "-c", SESSION, str(port), str(options.sessions)], check=True)
            held = [within(server, options, work), from_outside(server, options, work)]
            assert server.poll() is None, "the server has ended"
            subprocess.run([python, "-c", SESSION, str(port), "1"], check=True)  # it still serves
        finally:
            server.terminate()
            server.wait(30)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if all(held) else 1)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retainers", default="retainers", help="the command (default: the one on the path)")
    parser.add_argument("--sessions", type=int, default=12, help="browser sessions that are opened and closed")
    parser.add_argument("--keep", metavar="DIR", help="keep the virtual environment and the dumps in this directory")
    options = parser.parse_args()
    if os.sep in options.retainers:
        options.retainers = os.path.abspath(options.retainers)
    return options


def environment(directory):
    """The Python of a virtual environment that has the old Streamlit."""
    python = os.path.join(directory, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([old_python(), "-m", "venv", directory], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet"] + PACKAGES, check=True)
    return python


def old_python():
    """A CPython 3.8 or 3.9: on the path, or under pyenv."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for version in ("3.8", "3.9"):
        found = sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python3")))
        found += [path for path in [shutil.which("python" + version)] if path]
        if found:
            return found[0]
    sys.exit("needs CPython 3.8 or 3.9")


def start_server(python, work):
    """The server, when it answers, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = os.path.join(ROOT, "fixtures", "streamlit-0.89", "app.py")
    options = {"server.headless": "true", "server.port": port, "server.address": "127.0.0.1",
               "browser.gatherUsageStats": "false", "server.enableCORS": "false", "server.enableXsrfProtection": "false"}
    command = [python, "-m", "retainers", "run", "--signal", "SIGUSR2", "--directory", work, "-m", "streamlit", "run", page]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    place = dict(os.environ, HOME=work, PYTHONPATH=os.path.join(ROOT, "python"))
    with open(os.path.join(work, "server.log"), "w") as log:
        server = subprocess.Popen(command, env=place, stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server, port
        except OSError:
            time.sleep(0.2)
    server.kill()
    sys.exit("the server did not start: %s" % open(os.path.join(work, "server.log")).read()[-2000:])


def within(server, options, work):
    """Captured by the process itself, on a signal; whether the answer is right."""
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + 180
    dumps = []
    while not dumps and time.monotonic() < deadline:
        time.sleep(0.2)
        dumps = glob.glob(os.path.join(work, "heap-%d-*.jsonl.gz" % server.pid))
    if not dumps:
        print("no dump by the signal", file=sys.stderr)
        return False
    command = [options.retainers, dumps[0], "--type", "SessionState", "--no-files"]
    return is_held("from within, by SIGUSR2", command, options.sessions)


def from_outside(server, options, work):
    """Captured by another process and answered in one go; whether the answer is right."""
    dump = os.path.join(work, "outside.jsonl.zst")
    command = [options.retainers, "capture", str(server.pid), "-o", dump, "--type", "SessionState", "--no-files"]
    return is_held("from outside", command, options.sessions)


def is_held(how, command, sessions):
    """Asks, shows the answer, and says whether it has the chain for all sessions."""
    print("== %s: %s" % (how, " ".join(map(os.path.basename, command))), flush=True)
    answered = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    print(answered.stderr + answered.stdout, flush=True)
    position = 0
    for words in CHAIN:
        position = answered.stdout.find(words, position)
        if position < 0:
            print("%s: the answer does not say `%s`" % (how, words), file=sys.stderr)
            return False
    before = answered.stdout[:answered.stdout.find(CHAIN[0])].rsplit("[1] ", 1)[-1]
    if not before.startswith(("%d of " % sessions, "all %d " % sessions)):
        print("%s: not all %d sessions are held there: %s" % (how, sessions, before), file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()
