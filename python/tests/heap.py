"""Reads dumps back for tests, as strictly as the format is written down."""

import array
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from retainers import agent

#: Whether what takes long and is the same on every CPython is left out.
IS_SHORT = bool(os.environ.get("RETAINERS_SHORT_TESTS"))
on_the_newest = unittest.skipIf(IS_SHORT, "on the newest CPython alone")
#: The directory that holds the package.
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Lines:
    """The object lines of a dump by address. Kept as one text, so that the next dump of this process does not grow by them."""

    def __init__(self, text):
        self.text = text
        self.addresses, self.places = array.array("Q"), array.array("Q")

    def add(self, address, place):
        self.addresses.append(address)
        self.places.append(place)

    def finish(self):
        assert len(set(self.addresses)) == len(self.addresses), "an object was written twice"

    def __len__(self):
        return len(self.addresses)

    def __contains__(self, address):
        return address in self.addresses

    def __getitem__(self, address):
        return self._line(self.places[self.addresses.index(address)])

    def _line(self, place):
        return json.loads(self.text[place:self.text.index("\n", place)])

    def values(self):
        return map(self._line, self.places)


class Heap:
    """A dump that was read: `objects` by address, `roots`, `unseen`, `header`, `end`."""

    def __init__(self, text):
        self.header = self.end = None
        self.objects, self.roots, self.unseen = Lines(text), [], {}
        place = 0
        while place < len(text):
            end = text.index("\n", place)
            line = json.loads(text[place:end])
            if self.header is None:
                self.header = line
            elif "address" in line:
                self.objects.add(line["address"], place)
                if "root" in line:
                    self.roots.append(("immortal", line.get("name"), line["address"], None))
            elif "root" in line:
                self.roots.append((line["root"], line.get("name"), line["object"], line.get("thread")))
            elif "unseen" in line:
                self.unseen[line["unseen"]] = line["count"]
            else:
                assert end + 1 == len(text), "the end is not the last line"
                self.end = line["end"]
            place = end + 1
        self.objects.finish()

    def of(self, obj):
        """The line of a living object."""
        return self.objects[id(obj)]

    def edges(self, obj):
        """`Counter` of `(name, target)` of a living object."""
        line = self.of(obj)
        return collections.Counter(zip(line.get("edges", ()), line["refs"]))

    def names(self, obj, target):
        """The names by which one living object holds another, sorted."""
        return sorted(str(name) for name, address in self.edges(obj).elements() if address == id(target))

    def types(self):
        return collections.Counter(line["type"] for line in self.objects.values())

    def rooted(self, kind):
        """`{name: address}` of the roots of a kind."""
        return {name: address for found, name, address, _ in self.roots if found == kind}


class Directory:
    """A temporary directory, as a context manager and as a path."""

    def __enter__(self):
        self.path = tempfile.mkdtemp()
        return self

    def __exit__(self, *error):
        shutil.rmtree(self.path)

    def join(self, name):
        return os.path.join(self.path, name)


def captured(**options):
    """A dump of this process by the agent alone, read back."""
    options.setdefault("core", False)
    with Directory() as directory:
        path = directory.join("heap.jsonl")
        agent.dump(path, **options)
        with open(path, encoding="utf-8", newline="\n") as file:
            return Heap(file.read())


def run(code, *arguments, **options):
    """Runs code in a new interpreter that finds the package; what it wrote to standard output and error."""
    environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONIOENCODING="utf-8", **options.pop("environment", {}))
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment, timeout=120, **options)
    if done.returncode:
        raise AssertionError("exit code %d: %s" % (done.returncode, done.stderr.decode("utf-8", "replace")))
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")


def dump_of(code, environment=None, name="heap.jsonl"):
    """Runs code in a new interpreter, which is to write the dump to the path in `PATH`; `(dump, standard output)`."""
    with Directory() as directory:
        path = directory.join(name)
        output, _ = run("PATH = %r\n" % path + code, environment=environment or {})
        with open(path, encoding="utf-8", newline="\n") as file:
            return Heap(file.read()), output


def made_core(path):
    """Compiles the native core as the build script of `retainers` does; `path`, or `None` without a compiler."""
    rustc = shutil.which(os.environ.get("RUSTC", "rustc"))
    if rustc is None:
        return None
    subprocess.run([rustc, "--edition=2024", "--crate-name=native_core", "--crate-type=cdylib", "--cfg=shared_library",
                    "-Copt-level=2", "-Cpanic=abort", "-Clink-arg=-nostdlib", "-o", path,
                    os.path.join(PACKAGE, "core", "src", "lib.rs")], check=True)
    return path


def core_library(directory):
    """The path of the native core: `RETAINERS_CORE`, or one that is made in the directory; `None` where none can be."""
    return os.environ.get("RETAINERS_CORE") or made_core(os.path.join(directory, "native_core.so"))


def command():
    """The path of the `retainers` command: `RETAINERS_BINARY`, one that was built here, or one in `PATH`; `None` without."""
    built = [os.path.join(os.path.dirname(PACKAGE), "target", profile, "retainers") for profile in ("release", "debug")]
    for path in [os.environ.get("RETAINERS_BINARY")] + built:
        if path and os.access(path, os.X_OK):
            return path
    return shutil.which("retainers")
