"""A server that leaks and the same server without the leak, live: watched, dumped three times, compared and checked.

    python3 python/tests/growth_live.py --retainers target/release/retainers [--minutes 3] [--keep DIR]
    python3 python/tests/growth_live.py --retainers target/release/retainers --short

`growth_server.py` is run under `python -m retainers run --trace`, and gets requests on loopback, evenly, for the given time.
Meanwhile `retainers watch` samples it and takes three dumps (from outside); with `--short`, which takes some
seconds a variant, the server does not trace and writes them itself, on a signal, after a fixed number of requests, and nothing is
watched. Then:

- `retainers watch` must say that the one that leaks grows (exit code 1) and the other one does not (0);
- `retainers growth` must put first the type that was planted, with its way of being held and the line that made it (0), and must
  not find it in the other one;
- `retainers check` against the first dump must be violated by the one (1) and hold for the other (0).

Exit code 0 when all is so.
"""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join(HERE, "growth_server.py")
#: What the first entry of the growth must say.
CHAIN = ["Session", "__main__", "settings_changed", "receivers", "cell_contents"]
#: Requests a second, and requests before each dump of a short run.
RATE, SHORT = 20, 60
PAGES = 200


def main():
    options = parse()
    work = os.path.abspath(options.keep or tempfile.mkdtemp(prefix="growth-live-"))
    wrong = []
    try:
        for variant in options.variants.split(","):
            directory = os.path.join(work, variant)
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
            wrong += ["%s: %s" % (variant, what) for what in Run(options, variant == "leak", directory).judge()]
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    print("\n".join(["== as it should be"] if not wrong else ["== wrong"] + wrong), flush=True)
    return 1 if wrong else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retainers", default="retainers", help="the command (default: the one on the path)")
    parser.add_argument("--minutes", type=float, default=3, help="how long each server is driven")
    parser.add_argument("--short", action="store_true", help="without watching, a few seconds each")
    parser.add_argument("--python", default=sys.executable, help="runs the server; 3.11 cannot tell where plain instances were made")
    parser.add_argument("--variants", default="leak,fixed", help=argparse.SUPPRESS)
    parser.add_argument("--keep", metavar="DIR", help="keep the dumps and samples in this directory")
    options = parser.parse_args()
    if os.sep in options.retainers:
        options.retainers = os.path.abspath(options.retainers)
    return options


class Run:
    """One server from its start to the verdict."""

    def __init__(self, options, leaks, directory):
        self.options, self.leaks, self.directory = options, leaks, directory
        self.sent = 0

    def judge(self):
        """What is not as it should be."""
        command = [self.options.python, "-m", "retainers", "run", "--directory", self.directory]
        command += [SERVER] if self.options.short else ["--trace", SERVER]
        with open(os.path.join(self.directory, "server.log"), "wb") as log:
            server = subprocess.Popen(command + ["--leak"] * self.leaks, stdout=subprocess.PIPE, stderr=log,
                                      env=dict(os.environ, PYTHONPATH=os.path.dirname(HERE)))
        try:
            self.port = int(server.stdout.readline())
            self.drive(SHORT)  # what is filled once, is
            wrong = [] if self.options.short else self.watched(server)
            dumps = self.dumps(server) if self.options.short else self.taken()
            assert server.poll() is None, "the server has ended"
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
        if len(dumps) != 3:
            return wrong + ["%d dumps instead of 3" % len(dumps)]
        return wrong + self.growth(dumps) + self.checked(dumps)

    def drive(self, requests):
        """Sends requests, one after another; the server is done with each of them, and has forgotten it, when its answer has been read."""
        for _ in range(requests):
            self.sent += 1
            with urllib.request.urlopen("http://127.0.0.1:%d/page/%d" % (self.port, self.sent * 7 % PAGES), timeout=120) as answer:
                answer.read()

    def watched(self, server):
        """Drives the server while it is watched, and judges the verdict."""
        seconds = self.options.minutes * 60
        times = ",".join("%.0fs" % (seconds * part) for part in (1 / 6, 1 / 2, 5 / 6))
        command = [self.options.retainers, "watch", str(server.pid), "--for", "%.0fs" % seconds, "--dump-at", times, "-o", self.directory,
                   "--color", "never"]
        print("== %s: %s" % (os.path.basename(self.directory), " ".join(["retainers"] + command[1:])), flush=True)
        with open(os.path.join(self.directory, "watch.txt"), "w+") as said:
            watching = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
            start, first = time.monotonic(), self.sent
            while watching.poll() is None:
                self.drive(1)
                time.sleep(max(0.0, start + (self.sent - first) / RATE - time.monotonic()))
            said.seek(0)
            print(said.read(), flush=True)
        print("%d requests, exit code %d" % (self.sent, watching.returncode), flush=True)
        return [] if watching.returncode == self.leaks else ["watch ended with exit code %d" % watching.returncode]

    def taken(self):
        return sorted((path for path in glob.glob(os.path.join(self.directory, "*.jsonl*")) if not path.endswith((".rtx", ".partial"))),
                      key=os.path.getmtime)

    def dumps(self, server):
        """Dumps that the server writes on a signal, each after as many requests."""
        for number in range(3):
            self.drive(SHORT)
            os.kill(server.pid, signal.SIGURG)
            deadline = time.monotonic() + 120
            while len(self.taken()) <= number and time.monotonic() < deadline:
                time.sleep(0.1)
            if number < 2:
                time.sleep(1.1)  # the time in a header is that of a second
        return self.taken()

    def growth(self, dumps):
        code, text = self.ask("growth", *dumps)
        first = text.partition("\ngrowth 1 ")[2].partition("\ngrowth 2 ")[0]
        if not self.leaks:
            return ["growth has found the session"] if "Session" in first else []
        wrong = ["growth ended with exit code %d" % code] if code else []
        wrong += ["the first entry of growth does not say `%s`" % words for words in CHAIN if words not in first]
        if self.tells_sites() and "growth_server.py:%d" % planted() not in first:
            wrong.append("the first entry of growth does not say growth_server.py:%d" % planted())
        return wrong

    def tells_sites(self):
        asked = [self.options.python, "-c", "import sys; print(sys.version_info[:2] != (3, 11))"]
        return not self.options.short and subprocess.run(asked, stdout=subprocess.PIPE).stdout.strip() == b"True"

    def checked(self, dumps):
        code, _ = self.ask("check", dumps[-1], "--baseline", dumps[0], "--max-growth", "Session=0")
        return [] if code == self.leaks else ["check ended with exit code %d" % code]

    def ask(self, *arguments):
        done = subprocess.run([self.options.retainers, *arguments, "--color", "never", "--quiet", "--no-index"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        print("== %s: retainers %s" % (os.path.basename(self.directory), " ".join(map(os.path.basename, arguments))))
        print(done.stdout, flush=True)
        return done.returncode, done.stdout


def planted():
    """The number of the line that makes sessions."""
    with open(SERVER, encoding="utf-8") as file:
        return next(number for number, line in enumerate(file, 1) if re.search(r"= Session\(", line))


if __name__ == "__main__":
    sys.exit(main())
