"""How long does a chain take with objgraph, inside a process of a given size?

Fills this process with rows, documents, tables and linked lists, leaks sessions through a signal, and times
`objgraph.find_backref_chain(session, objgraph.is_proper_module)`: what one does today instead of reading a dump. The chain
that it finds has the length that `chains.rs` asserts, less the dictionaries that CPython 3.11 and later do without.

    pip install objgraph
    python benches/peers.py --objects 3000000 --chains 3
"""

import argparse
import gc
import platform
import sys
import time
import types

try:
    import objgraph
except ImportError:
    sys.exit("objgraph is not installed: `pip install objgraph`, best in a virtual environment")


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
    return signals


def leak(signals, count):
    """Sessions that were closed; the lambda that the signal calls still closes over a method of theirs."""

    def callback(method):
        return lambda: method()

    for number in range(count):
        signals.session_closed.connect(callback(ReportSession(number).on_change))


def census():
    """Objects that the collector tracks, all that they lead to at once, and their references."""
    tracked = gc.get_objects()
    seen = {id(holder) for holder in tracked}
    references = 0
    for holder in tracked:
        for target in gc.get_referents(holder):
            references += 1
            seen.add(id(target))
    return len(seen), references


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--objects", type=int, default=300_000, help="objects of the process (300000)")
    arguments.add_argument("--sessions", type=int, default=100, help="sessions that leak (100)")
    arguments.add_argument("--chains", type=int, default=3, help="chains that are timed (3)")
    asked = arguments.parse_args()
    signals = fill(asked.objects)
    leak(signals, asked.sessions)
    gc.collect()
    objects, references = census()
    print(f"CPython {platform.python_version()}, objgraph {objgraph.__version__}: {objects} objects, {references} references")
    sessions = objgraph.by_type("SessionState")
    times = []
    for session in sessions[: asked.chains]:
        start = time.process_time()
        chain = objgraph.find_backref_chain(session, objgraph.is_proper_module)
        times.append(time.process_time() - start)
        assert chain[-1] is session and objgraph.is_proper_module(chain[0]), "the chain leads from a module"
        print(f"chain of {len(chain) - 1} references from {chain[0].__name__}: {times[-1]:.3f} CPU s")
    print(f"{len(sessions)} sessions; {min(times):.3f} CPU s a chain at best, so all of them {min(times) * len(sessions):.0f} s")


if __name__ == "__main__":
    main()
