"""`install`, and `python -m retainers run`."""

import os
import subprocess
import sys
import unittest

from retainers import triggers

from .heap import PACKAGE, Directory, Heap, run


class Size(unittest.TestCase):
    def test_units(self):
        for text, size in (("2GiB", 2 << 30), ("512 MB", 512 << 20), ("1.5g", 3 << 29), ("4096", 4096), (7, 7), ("10k", 10240)):
            self.assertEqual(triggers.size(text), size)

    def test_what_is_none(self):
        for text in ("", "GiB", "much", "-1G", "0", "3 parsecs"):
            with self.assertRaises(ValueError):
                triggers.size(text)


@unittest.skipUnless(hasattr(os, "fork"), "needs a system with signals and fork")
class Triggers(unittest.TestCase):
    def setUp(self):
        self.directory = Directory().__enter__()
        self.addCleanup(self.directory.__exit__)

    def dumps(self):
        import gzip

        found = []
        for name in sorted(os.listdir(self.directory.path)):
            if name.endswith(".gz"):
                with gzip.open(self.directory.join(name), "rt", encoding="utf-8", newline="\n") as file:
                    found.append((name, Heap(file.read())))
        return found

    def test_a_signal(self):
        output, errors = run("""
import os, signal, sys
import retainers
earlier = []
signal.signal(signal.SIGUSR2, lambda *a: earlier.append(a))
class Kept: pass
kept = Kept()
installed = retainers.install(signal=signal.SIGUSR2, directory=sys.argv[1])
os.kill(os.getpid(), signal.SIGUSR2)
assert len(earlier) == 1
installed.uninstall()
os.kill(os.getpid(), signal.SIGUSR2)
assert len(earlier) == 2
print(os.getpid())
""", self.directory.path)
        (name, heap), = self.dumps()
        self.assertRegex(name, r"^heap-%s-\d{8}T\d{6}Z-1-signal\.jsonl\.gz$" % output.strip())
        self.assertEqual(heap.types()["__main__.Kept"], 1)
        self.assertIn(name, errors)

    def test_a_memory_error(self):
        with self.assertRaisesRegex(AssertionError, "MemoryError"):
            run("""
import sys
import retainers
installed = retainers.install(signal=None, directory=sys.argv[1])
class Kept: pass
def fill():
    local = Kept()
    raise MemoryError
fill()
""", self.directory.path)
        (name, heap), = self.dumps()
        self.assertIn("memory-error", name)
        # what the dead frames hold is what filled the memory
        error = heap.rooted("exception")["MemoryError"]
        self.assertEqual(heap.objects[error]["type"], "MemoryError")
        self.assertEqual(heap.types()["__main__.Kept"], 1)

    @unittest.skipUnless(sys.platform.startswith("linux"), "limits of the address space are those of Linux")
    def test_memory_that_really_runs_out(self):
        with self.assertRaisesRegex(AssertionError, "MemoryError"):
            run("""
import resource, sys
import retainers
installed = retainers.install(signal=None, directory=sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (300 << 20, resource.RLIM_INFINITY))
hoard = []
while True:
    hoard.append(bytearray(1 << 20))
""", self.directory.path)
        (_, heap), = self.dumps()
        self.assertGreater(heap.types()["bytearray"], 50)

    def test_a_memory_error_in_a_thread_and_another_error(self):
        run("""
import sys, threading
import retainers
installed = retainers.install(signal=None, directory=sys.argv[1])
def fail(kind): raise kind
for kind in (ValueError, MemoryError):
    thread = threading.Thread(target=fail, args=(kind,)); thread.start(); thread.join()
installed.uninstall()
assert threading.excepthook is not installed._on_thread_exception
thread = threading.Thread(target=fail, args=(MemoryError,)); thread.start(); thread.join()
""", self.directory.path)
        self.assertEqual(len(self.dumps()), 1)

    @unittest.skipUnless(os.path.exists("/proc/self/statm"), "resident memory is read from /proc")
    def test_resident_memory(self):
        run("""
import os, sys, threading, time
import retainers
from retainers import agent, triggers
before = threading.active_count()
installed = retainers.install(signal=None, directory=sys.argv[1], rss_limit=agent._resident() + (64 << 20), interval=0.01)
assert threading.active_count() == before
hoard = b"x" * (128 << 20)
while installed.last is None: time.sleep(0.01)
installed.uninstall()
""", self.directory.path)
        (name, _), = self.dumps()
        self.assertIn("rss-limit", name)

    def test_tracing(self):
        heap_of_none, heap = (self.dump_with(trace) for trace in (False, True))
        self.assertFalse(any("site" in line for line in heap_of_none.objects.values()))
        sites = [line.get("site") for line in heap.objects.values() if line["type"] == "__main__.Kept"]
        self.assertEqual(sites, ["<string>:6"])

    def dump_with(self, trace):
        run("""
import sys, tracemalloc
import retainers
class Kept: __slots__ = ()
installed = retainers.install(signal=None, on_memory_error=False, trace=%r, suffix=".jsonl", directory=sys.argv[1])
kept = Kept()
installed.dump("here", wait=True)
assert tracemalloc.is_tracing() == %r and (tracemalloc.get_traceback_limit() == 1)
installed.uninstall()
assert not tracemalloc.is_tracing()
tracemalloc.start(3)
again = retainers.install(signal=None, trace=True, directory=sys.argv[1])
again.uninstall()
assert tracemalloc.is_tracing() and tracemalloc.get_traceback_limit() == 3, "it was tracing before"
""" % (trace, trace), self.directory.path)
        path, = [self.directory.join(name) for name in os.listdir(self.directory.path)]
        with open(path, encoding="utf-8", newline="\n") as file:
            heap = Heap(file.read())
        os.unlink(path)
        return heap

    def test_what_cannot_be_installed(self):
        with self.assertRaises(ValueError):
            triggers.install(signal="NONSENSE", directory=self.directory.path)
        with self.assertRaises(OSError):
            triggers.install(directory=self.directory.join("none"))


class Run(unittest.TestCase):
    def setUp(self):
        self.directory = Directory().__enter__()
        self.addCleanup(self.directory.__exit__)
        with open(self.directory.join("app.py"), "w") as file:
            file.write("import sys, beside\n"
                       "class Kept: pass\n"
                       "kept = Kept()\n"
                       "print(__name__, sys.argv, sys.modules['__main__'].kept is kept, Kept.__module__, __file__)\n"
                       "if len(sys.argv) > 2: raise MemoryError\n")
        with open(self.directory.join("beside.py"), "w") as file:
            file.write("")

    def start(self, *arguments):
        return subprocess.run([sys.executable, "-m", "retainers", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, PYTHONPATH=PACKAGE), cwd=self.directory.path, timeout=120,
                              universal_newlines=True)

    def test_a_script(self):
        done = self.start("run", "app.py", "one")
        self.assertEqual(done.stdout, "__main__ ['app.py', 'one'] True __main__ app.py\n", done.stderr)

    def test_a_module(self):
        done = self.start("run", "--signal", "none", "-m", "app", "one")
        self.assertEqual(done.stdout.split(" ", 1)[0], "__main__", done.stderr)
        self.assertIn("'one'] True __main__", done.stdout)

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_its_allocation_sites(self):
        import gzip

        done = self.start("run", "--trace", "--directory", ".", "app.py", "one", "two")
        self.assertEqual(done.returncode, 1)
        name, = [name for name in os.listdir(self.directory.path) if name.endswith(".gz")]
        with gzip.open(self.directory.join(name), "rt", encoding="utf-8", newline="\n") as file:
            heap = Heap(file.read())
        sites = {line.get("site") for line in heap.objects.values() if line["type"] == "type"}
        self.assertIn("app.py:2", sites)

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_dump_of_it(self):
        import gzip

        done = self.start("run", "--directory=.", "app.py", "one", "two")
        self.assertEqual(done.returncode, 1)
        name, = [name for name in os.listdir(self.directory.path) if name.endswith(".gz")]
        with gzip.open(self.directory.join(name), "rt", encoding="utf-8", newline="\n") as file:
            heap = Heap(file.read())
        self.assertEqual(heap.types()["__main__.Kept"], 1)
        main = heap.objects[heap.rooted("module")["__main__"]]
        self.assertIn("['kept']", heap.objects[main["refs"][main["edges"].index("__dict__")]]["edges"])
        self.assertFalse([line for line in heap.objects.values() if line["type"].startswith("retainers.")])

    def test_help(self):
        for arguments in (("--help",), ("run", "--help"), ("run", "-h"), ("run", "--signal", "none", "--help")):
            done = self.start(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            for option in ("--signal", "--rss-limit", "--directory", "kill -URG"):
                self.assertIn(option, done.stdout)

    def test_memory_that_runs_out_under_a_hard_limit(self):
        """Large objects without the native core; with the core, heaps of small ones as well."""
        if not sys.platform.startswith("linux"):
            self.skipTest("limits of the address space are those of Linux")
        import resource

        with open(self.directory.join("full.py"), "w") as file:
            file.write("kept = []\nclass Kept: pass\nwhile True:\n    one = Kept(); one.b = bytearray(1 << 20); kept.append(one)\n")
        limit = 700000 << 10
        done = subprocess.run([sys.executable, "-m", "retainers", "run", "--directory", ".", "full.py"], stderr=subprocess.PIPE,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
                              env=dict(os.environ, PYTHONPATH=PACKAGE), cwd=self.directory.path, timeout=120)
        self.assertIn(b"MemoryError", done.stderr)
        self.assertEqual([name for name in os.listdir(self.directory.path) if name.endswith(".gz")].__len__(), 1, done.stderr)

    def test_wrong_command_lines(self):
        for arguments in ((), ("run",), ("stop",), ("run", "--nonsense", "app.py"), ("run", "--rss-limit", "many", "app.py"),
                          ("run", "missing.py")):
            done = self.start(*arguments)
            self.assertEqual(done.returncode, 0 if not arguments else 2, arguments)
            self.assertIn("usage:", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
