"""How long do other tools take for the same question: who holds the sessions that leaked?

    python benches/peers.py --objects 300000,3000000

Each tool is installed into a virtual environment of its own in a temporary directory and asked in a process of its own; what
cannot be installed is told and passed over. Two kinds are compared:

- those that read a dump, on a heap of `generate.rs`: `retainers`, and the analysis of Midden. From the file to the answer.
- those that look around in a live process, which is filled with rows, documents, tables and linked lists in the proportions of
  the generator: objgraph and guppy3. Only the question is timed, not the filling.

Memory is the peak of anonymous resident memory, sampled every 5 ms; for live processes what the question adds. The viewer of
pyheap is not on the package index (`pyheap` there is something else), and memlab reads no Python heaps: neither is asked.
"""

import argparse
import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import types
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
# as in the generator: one session leaks to so many objects
OBJECTS_A_SESSION = 3_000
SAMPLE = 0.005


# ------------------------------------------------------------------ a process to look around in


class Signal:
    """A registry of callbacks, as blinker's."""

    def __init__(self):
        self.receivers = {}

    def connect(self, callback):
        self.receivers[id(callback)] = callback


class SessionState:
    """What leaks."""

    def __init__(self, number):
        self.old_state = {"page": str(number), "filters": [None, number % 100]}


class ReportSession:
    """What the callback belongs to."""

    def __init__(self, number):
        self.session_state = SessionState(number)

    def on_change(self):
        pass


class Row:
    """A row of a table, with what an ORM keeps beside it."""

    __slots__ = ("id", "email", "status", "tags", "history", "deleted_at", "notes", "owner")


class Node:
    """A node of a linked list."""

    __slots__ = ("value", "next")


def row(number):
    made = Row()
    made.id = number + 1_000_000
    made.email = f"user{number}@example.org"
    made.status = "active"
    made.tags = ["new", f"tag{number}"]
    made.history = [[None, number % 200, None]]
    made.deleted_at = made.notes = made.owner = None
    return made


def document(number):
    return {
        "name": f"name{number}",
        "price": number / 7,
        "notes": None,
        "parts": [{"sku": f"sku{number}", "stock": None}, {"sku": f"other{number}", "stock": None}],
    }


def linked_list(length):
    first = node = Node()
    for number in range(length):
        node.value = number + 1_000_000
        node.next = Node()
        node = node.next
    node.value = node.next = None
    return first


def fill(objects):
    """Makes about `objects` objects, in the proportions of the generator."""
    signals = types.ModuleType("app_signals")
    sys.modules["app_signals"] = signals
    signals.nodes = linked_list(objects // 30)
    signals.rows = [row(number) for number in range(objects * 8 // 15 // 7)]
    signals.documents = [document(number) for number in range(objects * 3 // 15 // 9)]
    signals.table = [[f"line{number}", number / 3, None, None] for number in range(objects * 3 // 15 // 3)]
    signals.session_closed = Signal()
    leak(signals, objects // OBJECTS_A_SESSION)
    gc.collect()


def leak(signals, count):
    """Sessions that were closed; the lambda that the signal calls still closes over a method of theirs."""

    def callback(method):
        return lambda: method()

    for number in range(count):
        signals.session_closed.connect(callback(ReportSession(number).on_change))


# ------------------------------------------------------------------ the tools, each in its own process


def ask_objgraph(objects, _dump):
    import objgraph

    yield fill(objects)
    sessions = objgraph.by_type("SessionState")
    chain = objgraph.find_backref_chain(sessions[0], objgraph.is_proper_module)
    assert chain[-1] is sessions[0] and objgraph.is_proper_module(chain[0]), "the chain leads from a module"
    yield f"one chain of {len(chain) - 1} references; {len(sessions)} sessions need as many"


def ask_guppy3(objects, _dump):
    import guppy

    yield fill(objects)
    heapy = guppy.hpy()
    sessions = heapy.heap() & heapy.Type(SessionState)
    paths = str(sessions.sp).splitlines()
    assert "app_signals" in paths[0], paths[0]
    yield f"paths to the first of {sessions.count} sessions, which retain {sessions.domisize} B"


def ask_midden(_objects, dump):
    import midden_analysis

    yield None
    with tempfile.TemporaryDirectory(dir=pathlib.Path(dump).parent) as database:
        explorer = midden_analysis.HeapDumpExplorer(database)
        with open(dump, "rb") as lines:
            explorer.import_lines(lines, midden_analysis.EstimatorPrecision.NoEstimates)
        session = explorer.get_objects_by_type("app.sessions.SessionState", 0)[0]
        modules = explorer.get_objects_by_type("builtins.module", 0)
        module = next(module for module in modules if module.value == "module app.signals")
        path = explorer.find_path_between_objects(module.id, session.id, set())
        yield f"one path of {len(path) - 1} references, from a module that must be named; no retained sizes"


# what to install, how to ask, whether it reads a dump
PEERS = {
    "objgraph": ("objgraph", ask_objgraph, False),
    "guppy3": ("guppy3", ask_guppy3, False),
    "Midden": ("midden-analysis", ask_midden, True),
}


def run_inside(name, objects, dump):
    """Gets ready, waits until it is told to ask, and prints what asking took."""
    question = PEERS[name][1](objects, dump)
    next(question)
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, wall = time.process_time(), time.perf_counter()
    answer = next(question)
    took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "answer": answer}
    print(json.dumps(took), flush=True)
    # memory is still looked at: what clears up afterwards is not part of the question
    sys.stdin.readline()


# ------------------------------------------------------------------ measuring


class Sampler(threading.Thread):
    """Looks at the anonymous memory of a process, over and over."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.is_done = threading.Event()
        self.first = self.peak = anonymous_memory(pid)

    def run(self):
        while not self.is_done.wait(SAMPLE):
            self.peak = max(self.peak, anonymous_memory(self.pid))

    def stop(self):
        self.is_done.set()
        self.join()


def anonymous_memory(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            lines = [line for line in status if line.startswith("RssAnon:")]
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024 if lines else 0


def ask_peer(python, name, objects, dump, timeout):
    command = [python, __file__, "--inside", name, "--objects", str(objects), "--dump", str(dump or "")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    clock = threading.Timer(timeout, process.kill)
    try:
        if process.stdout.readline() != "ready\n":
            return None
        sampler = Sampler(process.pid)
        sampler.start()
        clock.start()
        process.stdin.write("\n")
        process.stdin.flush()
        printed = process.stdout.readline()
        sampler.stop()
        if not printed:
            return None
        took = json.loads(printed)
        return took["cpu"], took["wall"], sampler.peak - sampler.first, took["answer"]
    finally:
        clock.cancel()
        process.kill()
        process.wait()


def ask_ours(dump, runs):
    command = [ROOT / "target/release/retainers", dump, "--type", "SessionState", "--no-files", "--quiet"]
    command += ["--threads", "1", *no_index()]
    best = None
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        sampler = Sampler(process.pid)
        sampler.start()
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        sampler.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0 and "app.signals" in printed, printed
        took = (usage.ru_utime + usage.ru_stime, time.perf_counter() - start, sampler.peak)
        best = took if best is None else (min(best[0], took[0]), min(best[1], took[1]), max(best[2], took[2]))
    return *best, "the ways of all sessions, with retained sizes: " + printed.splitlines()[0].split(" · ")[0]


def no_index():
    probe = [ROOT / "target/release/retainers", "help", "index"]
    has_index = subprocess.run(probe, capture_output=True).returncode == 0
    return ["--no-index"] if has_index else []


def install(name, directory):
    """A virtual environment with the tool in it; none where it cannot be had."""
    place = pathlib.Path(directory) / name
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    package = PEERS[name][0]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    if subprocess.run(pip).returncode != 0:
        return None, package
    version = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return python, subprocess.run([python, "-c", version], capture_output=True, text=True).stdout.strip()


def generate(objects, form, path):
    command = ["cargo", "bench", "--quiet", "--bench", "generate", "--", "--objects", str(objects), "--format", form, path]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def print_row(objects, name, took):
    cpu, wall, memory, answer = took
    print(f"| {objects:,} | {name} | {cpu:.3f} s | {wall:.3f} s | {memory / 1e6:.0f} MB | {answer} |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--objects", default="300000", help="sizes of the heaps, with commas (300000)")
    arguments.add_argument("--only", default="", help="these tools, with commas: " + ", ".join(PEERS))
    arguments.add_argument("--runs", type=int, default=3, help="runs of ours, of which the best counts (3)")
    arguments.add_argument("--timeout", type=float, default=600, help="seconds after which a question is given up (600)")
    arguments.add_argument("--dir", help="where environments and dumps are put, for as long as they are needed")
    arguments.add_argument("--inside", help=argparse.SUPPRESS)
    arguments.add_argument("--dump", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.inside:
        return run_inside(asked.inside, int(asked.objects), asked.dump)
    names = [name for name in PEERS if not asked.only or name in asked.only.split(",")]
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    print("| objects | tool | CPU | wall | memory | answer |\n|--------:|------|----:|-----:|-------:|--------|", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.dir) as directory:
        tools = {name: install(name, directory) for name in names}
        for objects in map(int, asked.objects.split(",")):
            compare(objects, tools, directory, asked)


def compare(objects, tools, directory, asked):
    dump = pathlib.Path(directory) / "heap.jsonl"
    generate(objects, "lines", dump)
    print_row(objects, "retainers", ask_ours(dump, asked.runs))
    dump.unlink()
    for name, (python, version) in tools.items():
        if python is None:
            print(f"| {objects:,} | {name} | | | | not available: {version} cannot be installed |")
            continue
        reads_dump = PEERS[name][2]
        if reads_dump:
            generate(objects, name.lower(), dump)
        took = ask_peer(python, name, objects, dump if reads_dump else None, asked.timeout)
        if took is None:
            print(f"| {objects:,} | {name} {version} | | | | no answer, or not within {asked.timeout:.0f} s |")
        else:
            print_row(objects, f"{name} {version}", took)
        dump.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
