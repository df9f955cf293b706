"""Runs the tests on every minor version of CPython from 3.8 on that this machine has, and says which.

    python python/tests/matrix.py [tests.test_fork …]

Looks in `PYENV_ROOT` (or `~/.pyenv`), in `PATH` for `python3.X`, and at the interpreter that runs this.
"""

import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

OLDEST = (3, 8)
#: What runs on the oldest and the newest one alone: it is about when is captured and what the command answers, and takes long.
AT_THE_ENDS = {"test_triggers.py", "test_why.py"}
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ASK = "import sys; print(sys.implementation.name, *sys.version_info[:3]); print(sys.version.split()[0]); print(sys.prefix)"


def main(tests):
    """Exit code 0 when all tests passed everywhere."""
    with tempfile.TemporaryDirectory() as directory:
        sys.path.insert(0, PACKAGE)
        from tests.heap import core_library

        # one library is for all of them, so that it is made once
        library = core_library(directory)
        if library is not None:
            os.environ["RETAINERS_CORE"] = library
        return test(tests)


def test(tests):
    """Runs the tests everywhere; the exit code."""
    interpreters = find()
    passed = failed = 0
    # each test starts processes of its own: as many interpreters at once as there are processors
    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
    # what asks the command again and again runs on the newest one alone, unless it is asked for; it has most to do, so it begins
    running = []
    for place, (version, path) in reversed(list(enumerate(interpreters))):
        is_newest = place == len(interpreters) - 1
        names = [name for name in tests or modules() if name not in AT_THE_ENDS or is_newest or place == 0]
        running.append((version, [pool.submit(run, path, name, bool(tests) or is_newest) for name in names]))
    for version, parts in running:
        print("== CPython %s" % version, flush=True)
        results = [part.result() for part in parts]
        ran, bad = (sum(result[column] for result in results) for column in (0, 1))
        passed, failed = passed + ran - bad, failed + bad
        for line in "".join(output for _, _, output in results).splitlines():
            if "skipped" in line and "..." in line:
                print("   " + re.sub(r"^(\w+) \(.*?\).*?\.\.\. ", r"\1: ", line))
        print("   %d tests, %d failed" % (ran, bad), flush=True)
        for _, bad, output in results:
            if bad:
                print(output)
    print("ran on: %s" % ", ".join(version for version, _ in interpreters))
    print("%d passed, %d failed" % (passed, failed))
    return 0 if passed and not failed else 1


def find():
    """`(version, path)` of every CPython, oldest first; of each minor version the latest one."""
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
            found[version[:2]] = max(found.get(version[:2], ((), "", "")), (version, lines[1], path))
    return [found[version][1:] for version in sorted(found)]


def modules():
    """The files of tests, each of which runs in a process of its own: what is dumped is that process, and what other modules
    import would be in it."""
    found = glob.glob(os.path.join(PACKAGE, "tests", "test_*.py"))
    return [os.path.basename(path) for path in sorted(found)]


def run(path, name, is_whole):
    """`(tests, failed tests, output)` of some tests; all of them, or without those that take long everywhere."""
    discover = ["discover", "-s", os.path.join(PACKAGE, "tests"), "-t", PACKAGE, "-p", name]
    command = [path, "-m", "unittest"] + (discover if name.endswith(".py") else [name]) + ["-v"]
    environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONDONTWRITEBYTECODE="1")
    if not is_whole:
        environment["RETAINERS_SHORT_TESTS"] = "1"
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PACKAGE, env=environment)
    output = done.stdout.decode("utf-8", "replace")
    ran = re.findall(r"^Ran (\d+) tests? in", output, re.M)
    bad = sum(int(count) for count in re.findall(r"(?:failures|errors)=(\d+)", output))
    ran = int(ran[-1]) if ran else 0
    if done.returncode and not bad and not re.search(r"^NO TESTS RAN \(skipped=", output, re.M):
        ran, bad = ran + 1, 1
    return ran, min(bad, ran), output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
