"""Roots of every kind, and what is said to be unseen."""

import os
import subprocess
import sys
import threading
import unittest

from .heap import PACKAGE, Directory, Heap, captured, dump_of

HAS_FORK = hasattr(os, "fork")
MODES = [True, False] if HAS_FORK else [False]

PROGRAM = """
import asyncio, atexit, contextvars, gc, signal, sys, threading, _thread
from retainers import agent
FORK = %r

class Held: pass

def in_thread(argument):
    local_of_thread = Held()
    store.value = Held()
    ready.set()
    go_on.wait()

store, ready, go_on = threading.local(), threading.Event(), threading.Event()
thread = threading.Thread(target=in_thread, args=(1,), name="worker-7", daemon=True)
thread.start(); ready.wait()

def on_exit(argument): pass
atexit.register(on_exit, Held())
def on_signal(number, frame): pass
signal.signal(signal.SIGTERM, on_signal)
def tracer(*arguments): return None
gc.callbacks.append(len); gc.callbacks.clear()
variable = contextvars.ContextVar("variable"); variable.set([1])
gc.garbage.append([2])

class Body:
    x = Held()
    try:
        raise KeyError("handled")
    except KeyError as error:
        async def main():
            me = Held()
            agent.dump(PATH, fork=FORK, core=False)
            print(id(asyncio.current_task()))
        asyncio.run(main())
go_on.set()
print(id(on_signal), id(on_exit), id(variable.get()), id(gc.garbage[0]))
gc.garbage.clear()
"""


class Roots(unittest.TestCase):
    def test_every_kind(self):
        for fork in MODES:
            with self.subTest(fork=fork):
                heap, output = dump_of(PROGRAM % fork)
                task, on_signal, on_exit, context, garbage = map(int, output.split())
                modules = heap.rooted("module")
                self.assertEqual(heap.objects[modules["__main__"]]["type"], "module")
                self.assertEqual(heap.objects[modules["sys"]]["name"], "sys")
                self.assertEqual(heap.rooted("signal")["SIGTERM"], on_signal)
                self.assertEqual(heap.rooted("context")["variable"], context)
                self.assertIn(garbage, heap.rooted("garbage").values())
                self.assertIn(task, heap.rooted("task").values())
                self.assertIn("KeyError", heap.rooted("exception"))
                self.assertIn("builtins", heap.rooted("builtin"))
                self.assertTrue(heap.rooted("immortal"))
                if sys.version_info < (3, 10):
                    self.assertIn(on_exit, heap.rooted("atexit").values())
                elif fork:
                    self.assertEqual(heap.rooted("atexit")["on_exit"], on_exit)
                    self.assertGreaterEqual(heap.unseen["arguments of callbacks of atexit"], 1)
                else:
                    self.assertGreaterEqual(heap.unseen["callbacks of atexit"], 1)

    def test_frames_of_every_thread(self):
        for fork in MODES:
            with self.subTest(fork=fork):
                heap, _ = dump_of(PROGRAM % fork)
                frames = {(name, thread): address for kind, name, address, thread in heap.roots if kind == "frame"}
                function = next(key for key in frames if key[0] == "in_thread")
                self.assertEqual(function[1], "worker-7")
                line = heap.objects[frames[function]]
                self.assertEqual(line["type"], "frame")
                self.assertRegex(line["value"], r":\d+$")
                held = dict(zip(line["edges"], line["refs"]))
                self.assertEqual(heap.objects[held["f_locals['local_of_thread']"]]["type"], "__main__.Held")
                main = [key[0] for key in frames if key[1] == "MainThread"]
                self.assertTrue(any(name.endswith("main") for name in main), main)
                self.assertIn("<module>", main)
                if sys.version_info >= (3, 11):
                    self.assertEqual(heap.unseen["evaluation stacks of running frames"], len(frames))

    def test_thread_locals_of_every_thread(self):
        """A fork takes the other threads away, and would take what they stored."""
        for fork in MODES:
            heap, _ = dump_of(PROGRAM % fork)
            local = next(line for line in heap.objects.values() if line["type"] == "_thread._local"
                         and any(name == "__dict__" and "['value']" in heap.objects[target]["edges"]
                                 for name, target in zip(line["edges"], line["refs"])))
            self.assertTrue(local)

    def test_the_table_of_threads_is_whole(self):
        """A forked child forgets the other threads; chains from `threading._active` would be lost."""
        for fork in MODES:
            heap, _ = dump_of(PROGRAM % fork)
            module = heap.objects[heap.rooted("module")["threading"]]
            names = heap.objects[module["refs"][module["edges"].index("__dict__")]]
            table = heap.objects[names["refs"][names["edges"].index("['_active']")]]
            self.assertEqual(table["len"], 2)

    def test_the_event_loop_is_still_there(self):
        for fork in MODES:
            heap, output = dump_of("""
import asyncio
from retainers import agent
class Held: pass
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
loop.held = Held()
address = id(loop)
del loop
agent.dump(PATH, fork=%r, core=False)
print(address)
asyncio.get_event_loop().close()
""" % fork)
            self.assertTrue(int(output) in heap.objects)
            self.assertEqual(heap.types()["__main__.Held"], 1)
            tables = [line for line in heap.objects.values() if line["type"] == "dict"
                      and ("['_loop']", int(output)) in zip(line["edges"], line["refs"])]
            self.assertEqual(len(tables), 1, "the table of this thread's loop")
            policy = next(line for line in heap.objects.values() if line["type"].endswith("DefaultEventLoopPolicy"))
            if "__dict__" in policy["edges"]:
                policy = heap.objects[policy["refs"][policy["edges"].index("__dict__")]]
            local = next(target for name, target in zip(policy["edges"], policy["refs"]) if name in ("._local", "['_local']"))
            reached = {local}
            for _ in range(3):
                reached.update(*[heap.objects[address]["refs"] for address in reached])
            self.assertTrue(tables[0]["address"] in reached)

    def test_a_frame_without_values_has_its_line_in_the_root(self):
        heap = captured(values=False)
        names = [name for kind, name, _, _ in heap.roots if kind == "frame"]
        self.assertTrue(any("(test_roots.py:" in name for name in names), names)

    def test_live_frames_keep_nothing_longer(self):
        """To 3.12, asking for the locals of a frame makes a dictionary that holds them as long as the frame runs."""
        class Local:
            pass

        def inner():
            local = Local()
            captured(fork=False)
            del local
            return [obj for obj in __import__("gc").get_objects() if type(obj) is Local]

        self.assertEqual(inner(), [])

    def test_exceptions_of_other_threads(self):
        if not hasattr(sys, "_current_exceptions"):
            self.skipTest("this Python does not tell the exceptions of other threads")
        ready, go_on = threading.Event(), threading.Event()

        def handle():
            try:
                raise LookupError("in a thread")
            except LookupError:
                ready.set()
                go_on.wait()

        thread = threading.Thread(target=handle)
        thread.start()
        ready.wait()
        heap = captured()
        go_on.set()
        thread.join()
        self.assertIn("LookupError", heap.rooted("exception"))


class Sites(unittest.TestCase):
    def test_allocation_sites(self):
        heap, _ = dump_of("""
import tracemalloc, sys
tracemalloc.start()
class Plain: pass
class Slots: __slots__ = ()
made = [Slots() for _ in range(3)]; plain = Plain(); plain.x = [1] * 50
import retainers
retainers.dump(PATH, core=False)
""")
        sites = [line.get("site") for line in heap.objects.values() if line["type"] == "__main__.Slots"]
        self.assertEqual(sites, ["<string>:7"] * 3)
        if sys.version_info[:2] == (3, 11):
            missed = [count for what, count in heap.unseen.items() if "allocation sites of plain instances" in what]
            self.assertTrue(missed and missed[0] >= heap.types()["__main__.Plain"], heap.unseen)
        else:
            self.assertEqual([line.get("site") for line in heap.objects.values() if line["type"] == "__main__.Plain"], ["<string>:7"])

    def test_an_interpreter_that_traces_from_its_start(self):
        """`-X tracemalloc` loads no module by which that could be seen."""
        with Directory() as directory:
            path = directory.join("heap.jsonl")
            code = "import sys; sys.path.insert(0, %r)\nclass Made: __slots__ = ()\n" % PACKAGE
            code += "made = Made()\nimport retainers\nretainers.dump(%r)" % path
            subprocess.run([sys.executable, "-I", "-S", "-X", "tracemalloc", "-c", code], check=True)
            with open(path, encoding="utf-8", newline="\n") as file:
                heap = Heap(file.read())
        self.assertEqual([line.get("site") for line in heap.objects.values() if line["type"] == "__main__.Made"], ["<string>:3"])
        self.assertFalse([line for line in heap.objects.values() if line.get("site") == "<unknown>:0"][:1])

    def test_none_without_tracemalloc(self):
        self.assertFalse(any("site" in line for line in captured().objects.values()))


if __name__ == "__main__":
    unittest.main()
