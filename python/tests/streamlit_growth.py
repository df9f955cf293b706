"""A real leak as it grows: an old Streamlit server is dumped three times, with browser sessions opened and closed in between.

    python3 python/tests/streamlit_growth.py --retainers target/release/retainers [--keep DIR]

The parts are those of `streamlit_live.py`: Streamlit 0.89 in a virtual environment, run under `python -m retainers run` on
loopback, driven over its websocket. The page keeps something in `st.session_state` of each session, as real pages do. Before
each dump, a signal's, as many sessions more have ended. `retainers growth` over the three must name `SessionState` first,
and its way from the module `streamlit.config`. Exit code 0 when it does.

With `--dumps DIR` the three dumps are written there as `dump-1.jsonl.zst` to `dump-3.jsonl.zst`, with neutral paths, and
nothing is asked. Needs `zstd` for that.
"""

import argparse
import glob
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from streamlit_live import ROOT, SESSION, environment, start_server

DUMPS = 3
#: What the first entry of the answer must say, in any order.
FIRST = ["SessionState", "streamlit.config", "_on_config_parsed"]


def main():
    options = parse()
    work = os.path.abspath(options.keep or tempfile.mkdtemp(prefix="streamlit-growth-"))
    os.makedirs(work, exist_ok=True)
    try:
        python = environment(os.path.join(work, "venv"))
        dumps = series(python, work, options.sessions)
        if options.dumps:
            publish(dumps, python, work, options.dumps)
            return 0
        return 0 if is_named(options.retainers, dumps) else 1
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retainers", default="retainers", help="the command (default: the one on the path)")
    parser.add_argument("--sessions", type=int, default=10, help="browser sessions before each dump")
    parser.add_argument("--keep", metavar="DIR", help="keep the virtual environment and the dumps in this directory")
    parser.add_argument("--dumps", metavar="DIR", help="only write the dumps, as they may be shown to others")
    options = parser.parse_args()
    if os.sep in options.retainers:
        options.retainers = os.path.abspath(options.retainers)
    return options


def series(python, work, sessions):
    """The paths of three dumps of one server, in order of time."""
    for old in glob.glob(os.path.join(work, "heap-*")):
        os.unlink(old)
    server, port = start_server(python, work)
    try:
        dumps = []
        for _ in range(DUMPS):
            subprocess.run([python, "-c", SESSION, str(port), str(sessions)], check=True)
            dumps.append(next_dump(server, work, dumps))
            print("dump %d: %s" % (len(dumps), os.path.basename(dumps[-1])), flush=True)
        assert server.poll() is None, "the server has ended"
        return dumps
    finally:
        server.terminate()
        server.wait(30)


def next_dump(server, work, known):
    """The path of the dump that the server writes when it is asked by a signal."""
    time.sleep(1)  # the end of the last session is known to the server only when its loop has run; either way it counts
    os.kill(server.pid, signal.SIGUSR2)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        new = set(glob.glob(os.path.join(work, "heap-%d-*.jsonl.gz" % server.pid))) - set(known)
        if new:
            return new.pop()
        time.sleep(0.2)
    sys.exit("no dump by the signal")


def is_named(command, dumps):
    """Asks for the growth, shows the answer, and says whether the leak comes first."""
    answered = subprocess.run([command, "growth", *dumps, "--color", "never", "--quiet", "--no-index"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, universal_newlines=True)
    print(answered.stderr + answered.stdout, flush=True)
    if answered.returncode != 0:
        print("exit code %d, where something grew" % answered.returncode, file=sys.stderr)
        return False
    first = answered.stdout.partition("growth 1 ")[2].partition("growth 2 ")[0]
    missing = [words for words in FIRST if words not in first]
    if missing:
        print("the first entry does not say %s" % ", ".join(missing), file=sys.stderr)
    return not missing


def publish(dumps, python, work, directory):
    """Writes the dumps with neutral paths of the same length, so that lengths of texts stay right."""
    os.makedirs(directory, exist_ok=True)
    base = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout.strip()
    places = {os.path.join(work, "venv"): "/srv/env/st089", base: "/opt/pyenv/versions/3.8", work: "/srv/app/home",
              os.path.join(ROOT, "fixtures", "streamlit-0.89"): "/srv/app/streamlit-0.89", os.path.join(ROOT, "python"): "/srv/python",
              os.path.expanduser("~"): "/home"}
    for number, dump in enumerate(dumps, 1):
        with gzip.open(dump, "rb") as file:
            text = file.read()
        for place, neutral in sorted(places.items(), key=lambda pair: -len(pair[0])):
            neutral = neutral.ljust(len(place), "_")[:len(place)] if place != os.sep else place
            text = text.replace(place.encode(), neutral.encode())
        plain = os.path.join(directory, "dump-%d.jsonl" % number)
        with open(plain, "wb") as file:
            file.write(text)
        subprocess.run(["zstd", "-19", "--long=25", "--quiet", "--force", "--rm", plain, "-o", plain + ".zst"], check=True)
        print("%s: %d bytes, %d packed" % (plain + ".zst", len(text), os.path.getsize(plain + ".zst")), flush=True)


if __name__ == "__main__":
    sys.exit(main())
