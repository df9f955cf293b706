"""What a capture must not do to its host: hang it, run its code, take its files, keep its memory or its processes."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from retainers import agent

from .heap import PACKAGE, Directory, Heap, core_library, on_the_newest, run

#: `RETAINERS_STRESS=1` does what is done here some times a thousand times.
STRESS = bool(os.environ.get("RETAINERS_STRESS"))


def nothing(capture, describer, write):
    """A walk of no objects, where it does not matter what is in the dump."""
    return [0, 0, 0]


#: What a program begins with that uses the native core, where there is one.
NATIVE = "LIBRARY = %r\nif LIBRARY:\n    from retainers import _native\n    _native.load(LIBRARY)\n"


def setUpModule():
    global library
    directory = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    library = core_library(directory)


def with_and_without_core():
    """The beginnings of programs that use the native core, and of such that do not."""
    from retainers import _native

    if library is not None and _native._interpreter_is_known():
        yield "native", NATIVE % library
    yield "python", NATIVE % None


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.directory = Directory().__enter__()
        self.addCleanup(self.directory.__exit__)
        self.path = self.directory.join("heap.jsonl")

    def left(self):
        return sorted(os.listdir(self.directory.path))

    def read(self, name="heap.jsonl"):
        with open(self.directory.join(name), encoding="utf-8", newline="\n") as file:
            return Heap(file.read())


@unittest.skipUnless(hasattr(os, "fork"), "needs fork")
class Locks(InDirectory):
    """Signals that come while the program holds a lock which an at-fork hook takes, as that of `concurrent.futures`."""

    def test_signals_under_a_held_lock(self):
        for name, start in with_and_without_core():
            with self.subTest(core=name), Directory() as directory:
                output, errors = run(start + """
import os, signal, sys, threading
import retainers
lock = threading.Lock()
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release)
installed = retainers.install(directory=sys.argv[1], suffix=".jsonl", on_memory_error=False)
number = int(sys.argv[2])
for _ in range(number):
    with lock:
        before = installed._count
        os.kill(os.getpid(), signal.SIGURG)
        assert LIBRARY is None or installed._count > before or installed._busy.locked()
for _ in range(3):
    while installed._busy.locked(): pass
    with lock:
        os.kill(os.getpid(), signal.SIGURG)
installed.uninstall()
assert not lock.locked()
print(installed._count)
""", directory.path, str(1000 if STRESS else 20))
                count = int(output)
                self.assertGreaterEqual(count, 4)
                self.assertEqual(len(os.listdir(directory.path)), count, errors)

    def test_a_dump_under_a_held_lock(self):
        start = dict(with_and_without_core()).get("native")
        if start is None:
            self.skipTest("no native core")
        run(start + """
import os, sys, threading
import retainers
lock = threading.Lock()
os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
with lock:
    retainers.dump(sys.argv[1])
""", self.path)
        self.assertEqual(self.left(), ["heap.jsonl"])

    def test_hooks_stay_as_they_are_and_in_the_dump(self):
        start = dict(with_and_without_core()).get("native")
        if start is None:
            self.skipTest("no native core")
        for freeze in (False, True):
            output, _ = run(start + """
import gc, os, sys
import retainers
noted = []
class Hook:
    def __call__(self): noted.append(1)
hook = Hook()
os.register_at_fork(before=hook, after_in_parent=hook, after_in_child=hook)
if %r: gc.freeze()
frozen = gc.get_freeze_count()
retainers.dump(sys.argv[1])
assert not noted and gc.get_freeze_count() == frozen
child = os.fork()
if child == 0: os._exit(len(noted))
assert os.waitpid(child, 0)[1] >> 8 == 2 and len(noted) == 2
print(id(hook))
""" % freeze, self.path)
            holders = [line["type"] for line in self.read().objects.values() if int(output) in line["refs"]]
            self.assertEqual(holders.count("list"), 3, holders)


@unittest.skipUnless(hasattr(os, "fork"), "needs fork")
class TheProgramsCode(InDirectory):
    CODE = """
import contextvars, gc, os, sys, threading
import retainers
def note(name): os.write(NOTES, name.encode() + b"\\n")
NOTES = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(NOTES, 1)
def tell(name): os.write(1, name.encode() + b"\\n")
class Loud:
    def __init__(self, name): self.name = name
    def __del__(self): tell("__del__ " + self.name)
class Thread(threading.Thread):
    def __getattribute__(self, name):
        if armed: tell("__getattribute__ " + name)
        return super().__getattribute__(name)
armed = False
variable, local = contextvars.ContextVar("variable"), threading.local()
stop, ready = threading.Event(), threading.Semaphore(0)
class Error(Exception): pass
def work():
    variable.set(Loud("in a context")); local.value = Loud("in threading.local")
    try:
        error = Error(); error.value = Loud("of an exception")
        raise error
    except Error:
        del error
        ready.release(); stop.wait()
thread = Thread(target=work); thread.start(); ready.acquire()
for when in ("before", "after_in_parent", "after_in_child"):
    os.register_at_fork(**{when: lambda when=when: tell("hook " + when)})
for _ in range(3):
    garbage = Loud("garbage"); garbage.itself = garbage; del garbage
armed = True
gc.set_threshold(1)
%s
gc.set_threshold(0)
armed = False
os._exit(0)
"""

    def noted(self, start, call):
        notes = self.directory.join("notes")
        run(start + self.CODE % call, self.path, notes)
        with open(notes) as file:
            found = set(file.read().split("\n")) - {""}
        os.unlink(notes)
        return found

    def test_nothing_of_it_runs(self):
        # what was garbage before may be found by the collector as soon as it may run again, as at any other moment
        for name, start in with_and_without_core():
            calls = ["retainers.dump(sys.argv[1], fork=False)"] + ["retainers.dump(sys.argv[1])"] * (name == "native")
            for call in calls:
                with self.subTest(core=name, call=call):
                    self.assertEqual(self.noted(start, "gc.disable(); " + call) - {"__del__ garbage"}, set())

    def test_what_os_fork_runs_is_what_the_documentation_says(self):
        """Without the native core; the traps above do spring."""
        found = self.noted(NATIVE % None, "gc.disable(); retainers.dump(sys.argv[1])")
        self.assertTrue({"hook before", "hook after_in_parent", "hook after_in_child"} <= found, found)
        self.assertFalse([note for note in found if note.startswith("__del__")], found)

    def test_the_collector_is_off_while_the_heap_is_read(self):
        code = """
import gc, sys
import retainers
from retainers import agent
ran = []
class Loud:
    def __del__(self): ran.append(agent_is_busy())
def agent_is_busy():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in ("start", "run", "_write_all", "capture"): return True
        frame = frame.f_back
    return False
def nothing(capture, describer, write): return [0, 0, 0]
for fork in (True, False):
    for _ in range(10):
        garbage = Loud(); garbage.itself = garbage; del garbage
        gc.set_threshold(1)
        retainers.dump(sys.argv[1], fork=fork, core=nothing)
        gc.set_threshold(0)
    assert gc.isenabled()
assert True not in ran, ran
"""
        run(code, self.path)


@on_the_newest
class Targets(InDirectory):
    """What a path may lead to. Nodes are made here: nothing in `/dev` is a target."""

    def dumps(self, path, **options):
        for fork in ([True, False] if hasattr(os, "fork") else [False]):
            yield agent.dump(path, fork=fork, core=nothing, **options)

    @unittest.skipUnless(hasattr(os, "mkfifo"), "no pipes here")
    def test_a_pipe(self):
        pipe, path = self.directory.join("pipe"), self.directory.join("copy.jsonl")
        os.mkfifo(pipe)
        for fork in (True, False):
            with self.assertRaisesRegex(OSError, "nobody reads this pipe"):
                agent.dump(pipe, fork=fork)
        with open(path, "wb") as file:
            # opened for both ends, so that there is a reader before there is a writer
            reader = subprocess.Popen(["cat"], stdin=os.open(pipe, os.O_RDWR), stdout=file)
            try:
                written = agent.dump(pipe, core=nothing)
                while os.path.getsize(path) < written.bytes:
                    pass
            finally:
                reader.kill()
                reader.wait()
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
        self.assertEqual(os.path.getsize(path), written.bytes)

    @unittest.skipUnless(sys.platform.startswith("linux") and hasattr(os, "geteuid") and os.geteuid() == 0, "needs root")
    def test_a_device(self):
        null, full = self.directory.join("null"), self.directory.join("full")
        try:
            os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            os.mknod(full, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
            os.close(os.open(null, os.O_WRONLY))
        except OSError as error:
            self.skipTest("no devices can be made here: %s" % error)
        link = self.directory.join("link")
        os.symlink("null", link)
        for path in (null, link):
            for written in self.dumps(path):
                self.assertGreater(written.bytes, 1000)
        self.assertTrue(stat.S_ISCHR(os.stat(null).st_mode) and os.path.islink(link))
        with self.assertRaisesRegex(agent.CaptureError, "No space left"):
            agent.dump(full, core=nothing)
        self.assertTrue(stat.S_ISCHR(os.stat(full).st_mode))
        self.assertEqual(self.left(), ["full", "link", "null"])

    @unittest.skipUnless(hasattr(os, "symlink"), "no symbolic links here")
    def test_a_symbolic_link(self):
        os.mkdir(self.directory.join("elsewhere"))
        for target in ("elsewhere/there.jsonl", "elsewhere/not-yet.jsonl"):
            link = self.directory.join("link.jsonl")
            os.symlink(target, link)
            if "there" in target:
                with open(self.directory.join(target), "w") as file:
                    file.write("an old dump")
            for written in self.dumps(link):
                self.assertTrue(os.path.islink(link))
                self.assertEqual(os.path.getsize(self.directory.join(target)), written.bytes)
            os.unlink(link)
        self.assertEqual(self.left(), ["elsewhere"])
        self.assertEqual(sorted(os.listdir(self.directory.join("elsewhere"))), ["not-yet.jsonl", "there.jsonl"])

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "no descriptors by name here")
    def test_a_descriptor_by_name(self):
        """What standard output leads to is appended to, whatever it is."""
        for name in ("/dev/stdout", "/proc/self/fd/1"):
            with open(self.path, "wb") as file:
                file.write(b"before\n")
                file.flush()
                code = "from retainers import agent; agent.dump(%r, core=False); print('after')" % name
                subprocess.run([sys.executable, "-c", code], stdout=file, check=True, env=dict(os.environ, PYTHONPATH=PACKAGE))
            with open(self.path, "rb") as file:
                lines = file.read().splitlines()
            self.assertEqual(lines[0], b"before")
            self.assertTrue(any(line.startswith(b'{"end"') for line in lines))
            self.assertEqual(self.left(), ["heap.jsonl"])

    def test_a_directory(self):
        os.mkdir(self.path)
        for fork in (True, False):
            with self.assertRaises(OSError):
                agent.dump(self.path, fork=fork)
        self.assertEqual(os.listdir(self.path), [])
        self.assertEqual(self.left(), ["heap.jsonl"])

    def test_errors_name_the_target(self):
        with self.assertRaises(FileNotFoundError) as caught:
            agent.dump(self.directory.join("none/heap.jsonl"))
        self.assertEqual(caught.exception.filename, self.directory.join("none/heap.jsonl"))

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_files_are_private_and_whole_with_and_without_files_that_have_no_name(self):
        before = os.umask(0)
        try:
            for has_unnamed in (True, False):
                names = [name for name in ("O_TMPFILE",) if hasattr(os, name)]
                saved = [(name, getattr(os, name)) for name in names]
                for name in names if not has_unnamed else ():
                    delattr(os, name)
                try:
                    for written in self.dumps(self.path):
                        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
                        self.assertEqual(os.path.getsize(self.path), written.bytes)
                        self.assertEqual(self.left(), ["heap.jsonl"])
                finally:
                    for name, value in saved:
                        setattr(os, name, value)
        finally:
            os.umask(before)

    @unittest.skipUnless(hasattr(os, "O_TMPFILE"), "no files without a name here")
    def test_nothing_is_left_where_nobody_is_left_to_clean_up(self):
        run("""
import os, sys
from retainers import agent
def slow(capture, describer, write):
    write("x" * 1000)
    os.write(2, b"writing")
    import time; time.sleep(60)
running = agent.dump(sys.argv[1], core=slow, wait=False)
os.kill(running.pid, 9)
os._exit(0)
""", self.path)
        self.assertEqual(self.left(), [])


@unittest.skipUnless(hasattr(os, "fork"), "needs fork")
class Children(InDirectory):
    def test_a_child_that_hangs_ends_itself(self):
        for name, start in with_and_without_core():
            run(start + """
import os, signal, sys, threading
from retainers import agent
agent.STALLED = 1
def handler(*_): raise AssertionError("the handler is the program's")
signal.signal(signal.SIGALRM, handler)
def hangs(capture, describer, write):
    lock = threading.Lock(); lock.acquire(); lock.acquire()
def dump(**options): return agent.dump(sys.argv[1], core=hangs, **options)
for call in (dump, lambda: dump(wait=False).result()):
    try:
        call()
    except agent.CaptureError as error:
        assert "hung" in str(error), error
    else:
        raise SystemExit("no error")
# a time of its own for a child that nobody waits for
agent.STALLED = 300
try:
    dump(wait=False, timeout=0.5).result()
except agent.CaptureError as error:
    assert "not written within 0.5 s" in str(error), error
assert signal.getsignal(signal.SIGALRM) is handler
""", self.path)
            self.assertEqual(self.left(), [], name)

    def test_the_handler_of_the_clocks_signal_is_in_the_dump(self):
        output, _ = run("""
import signal, sys
from retainers import agent
def make():
    def handler(*_): pass
    return handler
signal.signal(signal.SIGALRM, make())
agent.dump(sys.argv[1], core=False)
print(id(signal.getsignal(signal.SIGALRM)))
""", self.path)
        heap = self.read()
        self.assertEqual(heap.rooted("signal")["SIGALRM"], int(output))
        self.assertEqual(heap.objects[int(output)]["rc"], 1)

    def test_children_of_signals_are_waited_for_at_once(self):
        for name, start in with_and_without_core():
            with Directory() as directory:
                output, _ = run(start + """
import os, signal, sys, threading, time
import retainers
threads = threading.active_count()
installed = retainers.install(directory=sys.argv[1])
os.kill(os.getpid(), signal.SIGURG)
while installed._busy.locked(): time.sleep(0.01)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none")
assert threading.active_count() == threads
""", directory.path)
                self.assertEqual(output.strip(), "none", name)
                self.assertEqual(len(os.listdir(directory.path)), 1)

    def test_a_signal_during_a_dump_is_remembered(self):
        for name, start in with_and_without_core():
            with Directory() as directory:
                output, errors = run(start + """
import os, signal, sys, time
import retainers
from retainers import agent
installed = retainers.install(directory=sys.argv[1])
kept = [object() for _ in range(50000)]
os.kill(os.getpid(), signal.SIGURG)
while installed.last is None: pass
assert installed._busy.locked()
for _ in range(5): os.kill(os.getpid(), signal.SIGURG)
class Later: pass
later = Later()
while installed._busy.locked(): time.sleep(0.01)
print(installed._count)
""", directory.path)
                self.assertEqual(output.strip(), "2", errors)
                self.assertEqual(len(os.listdir(directory.path)), 2)
                self.assertNotIn("still being written", errors)

    def test_a_forked_worker_writes_its_own(self):
        output, errors = run("""
import os, signal, sys, time
import retainers
installed = retainers.install(directory=sys.argv[1], rss_limit="8TiB")
kept = [object() for _ in range(50000)]
os.kill(os.getpid(), signal.SIGURG)         # a thread of this process waits for it, which a worker does not have
worker = os.fork()
if worker == 0:
    os.kill(os.getpid(), signal.SIGURG)
    while installed._busy.locked(): time.sleep(0.01)
    os._exit(0)
assert os.waitpid(worker, 0)[1] == 0
installed.uninstall()
print(os.getpid(), worker)
""", self.directory.path)
        found = sorted(name.split("-")[1] for name in self.left())
        self.assertEqual(found, sorted(output.split()), errors)

    def test_a_process_that_was_not_prepared_lives_on(self):
        run("import os, signal; from retainers import triggers; os.kill(os.getpid(), getattr(signal, triggers.SIGNAL))")


class Depth(InDirectory):
    def test_deep_recursion(self):
        for name, start in with_and_without_core():
            run(start + """
import sys
import retainers
limit = sys.getrecursionlimit()
def nothing(capture, describer, write): return [0, 0, 0]
dumps = []
def down(n):
    try:
        down(n + 1)
    except RecursionError:
        if len(dumps) < 3:
            dumps.append(retainers.dump(sys.argv[1], fork=bool(len(dumps) % 2)))
            assert sys.getrecursionlimit() == limit
for _ in range(3): down(0)
assert len(dumps) == 3, dumps
near = []
def at(n):
    if n in (600, 800, 880, 900, 910):
        near.append(retainers.dump(sys.argv[1], core=nothing).bytes > 1000)
        assert sys.getrecursionlimit() == limit
    if n < 920: at(n + 1)
at(0)
assert near == [True] * 5, near
""", self.path)
            self.assertEqual(self.left(), ["heap.jsonl"], name)


@unittest.skipUnless(hasattr(os, "fork"), "needs fork")
class Threads(InDirectory):
    def test_the_first_dump_by_several_threads(self):
        for name, start in with_and_without_core():
            # the core is where an import finds it, as it is where the package was installed
            package = self.directory.join("package-" + name)
            shutil.copytree(os.path.join(PACKAGE, "retainers"), os.path.join(package, "retainers"),
                            ignore=shutil.ignore_patterns("__pycache__"))
            if name == "native":
                shutil.copy(library, os.path.join(package, "retainers", "native_core.so"))
            for _ in range(20 if STRESS else 1):
                run("""
import os, sys, threading
sys.path.insert(0, sys.argv[2])
import retainers
found, gate = [], threading.Barrier(8)
def dump(place):
    gate.wait()
    try:
        found.append(retainers.dump(sys.argv[1] + str(place % 4)).objects > 1000)
    except BaseException as error:
        found.append(repr(error))
threads = [threading.Thread(target=dump, args=(place,)) for place in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == [True] * 8, found
assert os.path.dirname(sys.modules["retainers"].__file__).startswith(sys.argv[2])
try: assert not os.waitpid(-1, os.WNOHANG)
except ChildProcessError: pass
""", self.path, package)
            shutil.rmtree(package)
            self.assertEqual(self.left(), ["heap.jsonl%d" % place for place in range(4)])

    def test_one_child_that_several_threads_wait_for(self):
        running = agent.dump(self.path, wait=False, core=nothing)
        import threading

        found = []
        threads = [threading.Thread(target=lambda: found.append(running.result().objects)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while not running.poll():
            agent._collect_ended()
        for thread in threads:
            thread.join()
        self.assertEqual(len(found), 4)
        self.assertEqual(len(set(found)), 1)

    def test_a_worker_leaves_its_parents_child_alone(self):
        run("""
import os, sys
from retainers import agent
running = agent.dump(sys.argv[1], wait=False, core=False)
worker = os.fork()
if worker == 0:
    try:
        running.result()
    except agent.CaptureError as error:
        assert "which forked this one" in str(error)
    assert not running.poll()
    running.kill()
    agent.dump(sys.argv[1] + ".worker", core=False)
    os._exit(0)
assert os.waitpid(worker, 0)[1] == 0
running.result()
""", self.path)
        self.assertEqual(self.left(), ["heap.jsonl", "heap.jsonl.worker"])


@on_the_newest
class TheCore(InDirectory):
    def test_asked_for_where_there_is_none(self):
        for start, words in (("", "core=True: there is no native core: "),
                             ("import tracemalloc; tracemalloc.start()", "core=True: while `tracemalloc` is tracing")):
            output, _ = run(start + """
import sys
import retainers
try:
    retainers.dump(sys.argv[1], core=True)
except retainers.agent.CaptureError as error:
    print(error)
""", self.path)
            self.assertIn(words, output)
        shutil.copy(agent.__file__, self.directory.join("copied.py"))
        output, _ = run("import sys; sys.path.insert(0, sys.argv[1]); import copied\n"
                        "try: copied.dump(sys.argv[2], core=True)\n"
                        "except copied.CaptureError as error: print(error)", self.directory.path, self.path)
        self.assertIn("this file stands alone", output)
        with self.assertRaises(TypeError):
            agent.dump(self.path, core="fast")
        self.assertNotIn("heap.jsonl", self.left())

    def test_asked_for_where_there_is_one(self):
        for name, start in with_and_without_core():
            if name == "native":
                run(start + "import sys, retainers\nretainers.dump(sys.argv[1], core=True)", self.path)
                self.assertEqual(self.left(), ["heap.jsonl"])


if __name__ == "__main__":
    unittest.main()
