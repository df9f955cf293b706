"""The child that writes: errors, limits, what it must not do to the program."""

import ctypes
import json
import os
import threading
import unittest
import warnings

from retainers import agent

from .heap import Directory, run


@unittest.skipUnless(hasattr(os, "fork"), "no fork on this system")
class Fork(unittest.TestCase):
    def setUp(self):
        self.directory = Directory().__enter__()
        self.addCleanup(self.directory.__exit__)
        self.path = self.directory.join("heap.jsonl")

    def left(self):
        return sorted(os.listdir(self.directory.path))

    def test_a_directory_that_is_not_there(self):
        with self.assertRaises(FileNotFoundError):
            agent.dump(self.directory.join("none/heap.jsonl"))

    def test_a_file_that_becomes_too_large(self):
        """As on a full disk: an error in the caller, and no file."""
        for fork in (True, False):
            _, errors = run("""
import resource, signal, sys
from retainers import agent
resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))
try:
    agent.dump(sys.argv[1], fork=%r, core=False)
except agent.CaptureError as error:
    assert "File too large" in str(error), error
    assert sys.argv[1] in str(error)
else:
    raise SystemExit("no error")
""" % fork, self.path)
            self.assertEqual(self.left(), [])

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_a_full_device(self):
        with open("/dev/full", "wb", buffering=0) as file, self.assertRaises(OSError):
            agent.dump(file)

    def test_an_error_of_the_child_has_its_words(self):
        def broken(capture, describer, write):
            raise ZeroDivisionError("in the child")

        with self.assertRaisesRegex(agent.CaptureError, "ZeroDivisionError: in the child"):
            agent.dump(self.path, core=broken)
        self.assertEqual(self.left(), [])

    def test_a_native_core_that_crashes_is_done_without(self):
        def crashing(capture, describer, write):
            ctypes.string_at(0)

        with self.assertWarnsRegex(RuntimeWarning, "signal 11; it is written again without the native core"):
            written = agent.dump(self.path, core=crashing)
        with open(self.path, "rb") as dump:
            end = json.loads(dump.read().splitlines()[-1])["end"]
        self.assertEqual(end["objects"], written.objects)

    def test_a_child_that_is_killed(self):
        def killed(capture, describer, write):
            os.kill(os.getpid(), 9)

        with self.assertRaisesRegex(agent.CaptureError, "killed by signal 9"):
            agent.dump(self.path, core=killed)
        self.assertEqual(self.left(), [])

    def test_a_child_that_takes_too_long(self):
        def forever(capture, describer, write):
            while True:
                pass

        with self.assertRaisesRegex(agent.CaptureError, "not written within"):
            agent.dump(self.path, core=forever, timeout=0.2)
        self.assertEqual(self.left(), [])

    def test_without_waiting(self):
        running = agent.dump(self.path, wait=False, core=False)
        dump = running.result()
        self.assertTrue(running.poll())
        self.assertEqual(self.left(), ["heap.jsonl"])
        self.assertEqual(os.path.getsize(self.path), dump.bytes)

    def test_an_old_dump_stays_until_the_new_one_is_whole(self):
        agent.dump(self.path)
        size = os.path.getsize(self.path)

        def broken(capture, describer, write):
            raise KeyError

        with self.assertRaises(agent.CaptureError):
            agent.dump(self.path, core=broken)
        self.assertEqual(os.path.getsize(self.path), size)

    def test_no_warning_in_a_process_with_threads(self):
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                before = list(warnings.filters)
                agent.dump(self.path)
                self.assertEqual(list(warnings.filters), before)
            self.assertEqual([str(warning.message) for warning in caught if "fork" in str(warning.message)], [])
        finally:
            stop.set()
            thread.join()

    def test_exit_handlers_and_buffers_are_the_programs(self):
        output, _ = run("""
import atexit, sys
from retainers import agent
atexit.register(print, "bye")
sys.stdout.write("buffered ")
agent.dump(sys.argv[1], core=False)
""", self.path)
        self.assertEqual(output.split(), ["buffered", "bye"])

    def test_descriptors_are_not_kept_open(self):
        """A pipe that the program closes while the child writes is closed."""
        run("""
import os, sys
from retainers import agent
reading, writing = os.pipe()
gate_reading, gate_writing = os.pipe()
def slow(capture, describer, write):
    import time
    time.sleep(60)
running = agent.dump(sys.argv[1], core=slow, wait=False)
os.close(writing)
assert os.read(reading, 1) == b""  # would wait as long as the child has the other end open
running.kill()
""", self.path)
        self.assertEqual(self.left(), [])

    def test_signals_of_the_program_do_not_reach_the_child(self):
        run("""
import os, signal, sys
from retainers import agent
def handler(number, frame): open(sys.argv[1] + ".ran", "w").close()
signal.signal(signal.SIGUSR1, handler)
def signalled(capture, describer, write):
    os.kill(os.getpid(), signal.SIGUSR1)
    return agent.walk(capture, describer, write)
agent.dump(sys.argv[1], core=signalled)
assert signal.SIGUSR1 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
""", self.path)
        self.assertEqual(self.left(), ["heap.jsonl"])

    def test_nothing_is_imported_that_is_not_needed(self):
        output, _ = run("""
import sys
before = set(sys.modules)
import retainers
print(sorted(set(sys.modules) - before))
retainers.dump(sys.argv[1], core=False)
print(sorted(set(sys.modules) - before - {"retainers", "retainers.agent", "retainers._native", "gc", "time", "_imp", "select", "_tracemalloc"}))
""", self.path)
        self.assertEqual(output.split("\n")[:2], ["['retainers']", "[]"])

    def test_a_copied_file_works_alone(self):
        import shutil

        shutil.copy(agent.__file__, self.directory.join("copied.py"))
        run("import sys; sys.path[:] = [p for p in sys.path if 'site' not in p]; sys.path.insert(0, sys.argv[1]); import copied; "
            "copied.dump(sys.argv[2]); assert 'retainers' not in sys.modules", self.directory.path, self.path)
        self.assertGreater(os.path.getsize(self.path), 100000)


if __name__ == "__main__":
    unittest.main()
