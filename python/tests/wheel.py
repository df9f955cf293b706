"""Builds the wheel, installs it into fresh virtual environments, and uses all that is in it: command, package, native core,
plugin for pytest.

    python python/tests/wheel.py [PROFILE]

PROFILE is the cargo profile, `release` by default. Takes maturin and pytest from PyPI by itself. Says which interpreters were tried.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from tests.test_plugin import judge, outcomes  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

#: Runs in the fresh environment: a program with a leak dumps itself.
PROGRAM = """
import sys
import retainers
from retainers import _native

class Session:
    def __init__(self, number):
        self.number = number

registry = {"sessions": [Session(number) for number in range(1000)]}
assert _native.available(), "the native core is not in use"
counted = []
core = _native._core
_native._core = lambda *arguments: counted.append(core(*arguments)) or counted[-1]
written = retainers.dump(sys.argv[1], fork=False)
(objects, references, _, described), = counted
assert objects == written.objects > described * 2, (counted, written)
print("%s: %d objects, %d of them described natively" % (sys.version.split()[0], objects, objects - described))
"""


def main():
    profile = sys.argv[1] if len(sys.argv) > 1 else "release"
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        wheel = build(scratch, profile)
        assert "-py3-none-" in wheel.name, wheel.name
        pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)
        running = [pool.submit(check, python, wheel, scratch / str(number)) for number, python in enumerate(interpreters())]
        tried = []
        for version, said in (done.result() for done in running):
            print(said, flush=True)
            tried.append(version)
    print("%s works with CPython %s" % (wheel.name, ", ".join(tried)))


def build(scratch, profile):
    """The wheel, made by a maturin that is installed for this."""
    tools = environment(sys.executable, scratch / "tools")
    run(tools / "pip", "install", "--quiet", "maturin>=1.12,<2")
    run(tools / "maturin", "build", "--profile", profile, "--out", scratch / "wheels", cwd=ROOT)
    wheel, = (scratch / "wheels").glob("*.whl")
    return wheel


def check(python, wheel, directory):
    """Installs the wheel for an interpreter and runs what it brought. The interpreter's version, and what is to be said of it."""
    installed = environment(python, directory)
    run(installed / "pip", "install", "--quiet", "--no-index", wheel)
    version = run(installed / "retainers", "--version")
    assert version.startswith("retainers "), version
    dump = directory / "heap.jsonl.gz"
    program = directory / "leak.py"
    program.write_text(PROGRAM)
    said = run(installed / "python", program, dump)
    answer = run(installed / "retainers", dump, "--type", "Session", "--no-files")
    assert "1,000 __main__.Session" in answer and "registry['sessions'][" in answer, answer
    tests = check_plugin(installed, directory / "sample")
    version = run(installed / "python", "-c", "import platform; print(platform.python_version())").strip()
    return version, "%s   pytest: %d tests as expected" % (said, tests)


def check_plugin(installed, directory):
    """Installs pytest, which must find the plugin by itself, and runs tests of which half find a leak. How many they were."""
    run(installed / "pip", "install", "--quiet", "pytest")
    directory.mkdir()
    environment = {"PATH": os.pathsep.join([str(installed), os.environ.get("PATH", "")])}
    environment.update({name: "" for name in ("RETAINERS_BINARY", "PYTHONPATH")})
    found, text = outcomes(str(installed / "python"), str(directory), **environment)
    judge(found, text)
    return len(found)


def interpreters():
    """Every CPython from 3.8 on that is found: this one, those of pyenv, those on the path; one for each minor version."""
    versions = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv") / "versions"
    candidates = [sys.executable, *sorted(map(str, versions.glob("3.*/bin/python")))]
    candidates += filter(None, (shutil.which("python3.%d" % minor) for minor in range(8, 20)))
    asked = "import sys; print(sys.implementation.name, *sys.version_info[:2], hasattr(sys, 'abiflags') and 't' in sys.abiflags)"
    found = {}
    for candidate in candidates:
        try:
            name, major, minor, threaded = run(candidate, "-c", asked, stderr=subprocess.DEVNULL).split()
        except (OSError, subprocess.CalledProcessError):
            continue
        if name == "cpython" and (int(major), int(minor)) >= (3, 8) and threaded == "False":
            found.setdefault((int(major), int(minor)), candidate)
    return [found[version] for version in sorted(found)]


def environment(python, directory):
    """The directory of the programs of a new virtual environment."""
    run(python, "-m", "venv", directory)
    return directory / "bin"


def run(*command, **options):
    """What a program prints; its errors go where ours go."""
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, universal_newlines=True, **options).stdout


if __name__ == "__main__":
    main()
