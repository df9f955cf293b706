"""Runs the tests on every CPython from 3.8 on that this machine has, and says which.

    python python/tests/matrix.py [tests.test_fork …]

Looks in `PYENV_ROOT` (or `~/.pyenv`), in `PATH` for `python3.X`, and at the interpreter that runs this.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys

OLDEST = (3, 8)
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ASK = "import sys; print(sys.implementation.name, *sys.version_info[:3]); print(sys.version.split()[0]); print(sys.prefix)"


def main(tests):
    """Exit code 0 when all tests passed everywhere."""
    interpreters = find()
    passed = failed = 0
    # each test starts processes of its own: as many interpreters at once as there are processors
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
    # what asks the command again and again runs on the newest one alone, unless it is asked for
    running = [(version, pool.submit(run, path, tests, bool(tests) or path == interpreters[-1][1])) for version, path in interpreters]
    for version, done in running:
        ran, bad, output = done.result()
        print("== CPython %s" % version, flush=True)
        passed, failed = passed + ran - bad, failed + bad
        for line in output.splitlines():
            if "skipped" in line and "..." in line:
                print("   " + re.sub(r"^(\w+) \(.*?\).*?\.\.\. ", r"\1: ", line))
        print("   %d tests, %d failed" % (ran, bad), flush=True)
        if bad:
            print(output)
    print("ran on: %s" % ", ".join(version for version, _ in interpreters))
    print("%d passed, %d failed" % (passed, failed))
    return 0 if passed and not failed else 1


def find():
    """`(version, path)` of every CPython, oldest first, each version once."""
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    paths = [sys.executable] + sorted(glob.glob(os.path.join(root, "versions", "*", "bin", "python")))
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        paths += sorted(path for path in glob.glob(os.path.join(directory, "python3.*"))
                        if re.fullmatch(r"python3\.\d+", os.path.basename(path)))
    found = {}
    for path in paths:
        try:
            said = subprocess.run([path, "-c", ASK], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        lines = said.stdout.decode("utf-8", "replace").splitlines()
        if said.returncode or len(lines) != 3:
            continue
        name, *version = lines[0].split()
        version = tuple(map(int, version))
        if name == "cpython" and version >= OLDEST:
            found.setdefault(version, (lines[1], path))
    return [found[version] for version in sorted(found)]


def run(path, tests, is_whole):
    """`(tests, failed tests, output)` of one interpreter; all tests, or without those that take long everywhere."""
    discover = ["discover", "-v", "-s", os.path.join(PACKAGE, "tests"), "-t", PACKAGE]
    command = [path, "-m", "unittest"] + (["-v"] + tests if tests else discover)
    environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONDONTWRITEBYTECODE="1")
    if not is_whole:
        environment["RETAINERS_SHORT_TESTS"] = "1"
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PACKAGE, env=environment)
    output = done.stdout.decode("utf-8", "replace")
    ran = re.findall(r"^Ran (\d+) tests? in", output, re.M)
    bad = sum(int(count) for count in re.findall(r"(?:failures|errors)=(\d+)", output))
    ran = int(ran[-1]) if ran else 0
    if done.returncode and not bad:
        ran, bad = ran + 1, 1
    return ran, min(bad, ran), output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
