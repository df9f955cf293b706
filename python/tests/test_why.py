"""`retainers.why`, and leaks that are captured live and answered by the command."""

import json
import os
import subprocess
import sys
import unittest

import retainers
from retainers import explain

from .heap import IS_SHORT, Directory, command, run

COMMAND = command()


class Registry:
    def __init__(self):
        self.items = {}


class Session:
    pass


REGISTRY = Registry()


@unittest.skipIf(COMMAND is None, "the command `retainers` is not built; set RETAINERS_BINARY")
class Why(unittest.TestCase):
    def test_the_chain(self):
        session = Session()
        REGISTRY.items["a"] = [session]
        answer = retainers.why(session, binary=COMMAND)
        self.assertIn(".items['a'][0]", str(answer))
        self.assertEqual(repr(answer), str(answer))
        self.assertTrue(answer.png().startswith(b"\x89PNG"))
        self.assertTrue(answer._repr_svg_().startswith("<svg"))
        self.assertIn("digraph", answer.dot())
        signature = answer.json()["signatures"][0]
        self.assertEqual(signature["root"]["kind"], "module")
        self.assertTrue(signature["expression"].endswith("REGISTRY.items['a'][0]"), signature["expression"])

    def test_the_callers_variables_come_last(self):
        output, _ = run("""
import sys, retainers, threading
class Session: pass
held = {}
def fill(): held["deep"] = {"er": [Session()]}
fill()
session = held["deep"]["er"][0]
print(retainers.why(session, binary=sys.argv[1]).json()["signatures"][0]["expression"])
del held["deep"]
print(retainers.why(session, binary=sys.argv[1]).json()["signatures"][0]["expression"])
def call(argument):
    go_on, ready = threading.Event(), threading.Event()
    def other(elsewhere): ready.set(); go_on.wait()
    thread = threading.Thread(target=other, args=(argument,), name="other"); thread.start(); ready.wait()
    answer = retainers.why(argument, binary=sys.argv[1]).json()
    go_on.set(); thread.join()
    return answer["signatures"][0]["root"]
print(call(Session()))
""", COMMAND)
        module, variable, root = output.strip().split("\n")
        self.assertEqual(module, "__main__.held['deep']['er'][0]")
        self.assertEqual(variable, "__main__.session")
        self.assertNotIn("caller", root)

    def test_an_object_that_nothing_holds(self):
        answer = retainers.why(Session(), binary=COMMAND)
        self.assertIn("Session", str(answer))

    def test_nothing_is_left_behind(self):
        with Directory() as directory:
            run("import sys, retainers; retainers.why([1], binary=sys.argv[1])", COMMAND, environment={"TMPDIR": directory.path})
            self.assertEqual(os.listdir(directory.path), [])


class Command(unittest.TestCase):
    def test_it_is_missed_by_name(self):
        with self.assertRaisesRegex(FileNotFoundError, "no-such-command"):
            explain.find_binary("no-such-command")
        output, _ = run("""
import os, retainers
os.environ["PATH"] = "/nonexistent"
os.environ.pop("RETAINERS_BINARY", None)
import sys; sys.executable = "/nonexistent/python"
try: retainers.why([])
except FileNotFoundError as error: print(error)
""")
        self.assertIn("RETAINERS_BINARY", output)


#: Small leaks: name, program, type of what leaks, and the end of the expression that holds it by Python version.
LEAKS = {
    "a list of callbacks": ("""
class Page: pass
ON_RELOAD = []
def watch(page):
    def changed(): return page
    ON_RELOAD.append(lambda: changed())
for n in range(20): watch(Page())
""", "Page", "ON_RELOAD[…].__closure__[0].cell_contents.__closure__[0].cell_contents"),
    "lru_cache on a method": ("""
import functools
class Customer:
    @functools.lru_cache(maxsize=None)
    def total(self, year): return [year]
for n in range(30): Customer().total(n)
""", "Customer", "Customer.total.cache.keys()[<tuple>][0]"),
    "kept exceptions": ("""
class Parsed: pass
ERRORS = []
def parse(n):
    doc = Parsed()
    raise ValueError(n)
for n in range(10):
    try: parse(n)
    except ValueError as error: ERRORS.append(error)
""", "Parsed", "ERRORS[…].__traceback__.tb_next.tb_frame.f_locals['doc']"),
    "suspended generators": ("""
import collections
class Batch: pass
STREAMS = collections.deque()
def rows(batch):
    yield batch
for n in range(16):
    stream = rows(Batch()); next(stream); STREAMS.append(stream)
del stream
""", "Batch", "STREAMS[…].gi_frame.f_locals['batch']"),
    "tasks that wait for ever": ("""
import asyncio
class Client: pass
BACKGROUND = []
async def serve(client):
    await asyncio.get_running_loop().create_future()
async def main():
    for n in range(15): BACKGROUND.append(asyncio.ensure_future(serve(Client())))
    await asyncio.sleep(0)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
""", "Client", "BACKGROUND[…]._coro.cr_frame.f_locals['client']"),
    "a thread-local of a pool's thread": ("""
import threading, queue
class Scratch: pass
local, jobs = threading.local(), queue.Queue()
def worker():
    local.kept = []
    while True:
        jobs.get()
        local.kept.append(Scratch())
        jobs.task_done()
threading.Thread(target=worker, daemon=True).start()
for n in range(12): jobs.put(n)
jobs.join()
""", "Scratch", "local.kept[…]"),
    "handlers of loggers": ("""
import logging
class Job: pass
class Handler(logging.Handler):
    def __init__(self, job): super().__init__(); self.job = job
for n in range(20): logging.getLogger("jobs.job%d" % n).addHandler(Handler(Job()))
""", "Job", ".loggerDict[…].handlers[0].job"),
    "callbacks at exit": ("""
import atexit
class Connection:
    def __init__(self): atexit.register(self.close)
    def close(self): pass
for n in range(15): Connection()
""", "Connection", ".__self__"),
    "a registry by a metaclass": ("""
REGISTRY = {}
class Table: pass
class Meta(type):
    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls.__table__ = Table(); REGISTRY.setdefault("Model", []).append(cls)
for n in range(25): Meta("Model%d" % n, (), {})
""", "Table", "REGISTRY['Model'][…].__table__"),
}


@unittest.skipIf(COMMAND is None, "the command `retainers` is not built; set RETAINERS_BINARY")
class Leaks(unittest.TestCase):
    """Each leak is made live, captured by a fork and without, and answered by the command."""

    def test_leaks(self):
        for name, (program, leaked, expression) in LEAKS.items():
            for fork in ([True, False][:1 if IS_SHORT else 2] if hasattr(os, "fork") else [False]):
                if name == "callbacks at exit" and not fork and sys.version_info >= (3, 10):
                    continue  # only a child may ask `atexit`
                with self.subTest(leak=name, fork=fork), Directory() as directory:
                    path = directory.join("heap.jsonl")
                    run(program + "\nimport gc; gc.collect()\nimport os, retainers\nretainers.dump(%r, fork=%r)\nos._exit(0)" % (path, fork))
                    answer = subprocess.run([COMMAND, path, "--type", "__main__." + leaked, "--format", "json", "--no-files", "--no-index",
                                             "--quiet", "--strict"], stdout=subprocess.PIPE, check=True)
                    answer = json.loads(answer.stdout.decode("utf-8"))
                    self.assertEqual(answer["unreached"], [])
                    expressions = [signature["expression"] for signature in answer["signatures"]]
                    self.assertTrue(any(found.endswith(expression) for found in expressions), expressions)


if __name__ == "__main__":
    unittest.main()
