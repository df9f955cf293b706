"""What a capture costs, as ratios that are measured side by side in one run. Standard library only; peers where importable.

    python benches/capture.py [--objects N] [--runs N]

Prints a line a measurement: ratio, bar, verdict. A missed bar is only printed: another machine is another ratio.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "python"))

from retainers import agent

#: Objects that one `Node` of the heap is made of: itself, a list, a dictionary, and what is in them.
OBJECTS_OF_A_NODE = 5


class Node:
    def __init__(self, number):
        self.number = number
        self.data = [number, str(number)]
        self.meta = {"k": number}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--objects", type=int, default=100_000, help="size of the heap (default 100,000)")
    arguments.add_argument("--runs", type=int, default=3, help="measurements of which the best counts (default 3)")
    options = arguments.parse_args()
    global nodes
    nodes = [Node(number) for number in range(options.objects // OBJECTS_OF_A_NODE)]
    gc.collect()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "heap.jsonl")
        dump = agent.dump(path, core=False)
        print("CPython %s, %d objects, %d references, %.0f MiB resident" % (
            sys.version.split()[0], dump.objects, dump.references, agent._resident() / 2**20))
        pause(path, options.runs)
        speed(path, options.runs)
        memory(path, options.objects)
        size(path, dump)
        peers(path, options.objects)


def best(runs, measure):
    return min(measure() for _ in range(runs))


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def verdict(what, ratio, bar, more_is_better, detail):
    holds = ratio >= bar if more_is_better else ratio <= bar
    print("%-44s %8.2f   bar %s %.2f   %s   (%s)" % (
        what, ratio, ">=" if more_is_better else "<=", bar, "holds" if holds else "MISSED", detail))


def pause(path, runs):
    """How long the program stands still, against one full collection of the same heap."""
    if not hasattr(os, "fork"):
        print("pause: no fork on this system")
        return
    stand = best(runs, lambda: agent.dump(path, core=False).pause)
    collection = best(runs, lambda: seconds(gc.collect))
    verdict("pause / gc.collect()", stand / collection, 1.0, False, "%.1f ms, %.1f ms" % (stand * 1e3, collection * 1e3))


def speed(path, runs):
    """Objects a second that are walked, named and written, native against pure Python; then the whole dump, with the fork and
    the lists of what there is, which Python makes either way."""
    core = agent._package_core()
    python = best(runs, lambda: walked(path, agent.walk))
    objects = agent.dump(path, core=False).objects
    print("%-44s %8.0f objects/s" % ("pure Python", objects / python))
    if core is None:
        print("%-44s the native core is not built" % "native / pure Python")
        return
    native = best(runs, lambda: walked(path, core))
    verdict("native / pure Python, walk and write", python / native, 8.0, True, "%.0f objects/s" % (objects / native))
    whole = [best(runs, lambda: seconds(lambda: agent.dump(path, core=core))) for core in (False, core)]
    print("%-44s %8.2f" % ("native / pure Python, the whole dump", whole[0] / whole[1]))


def walked(path, core):
    """Seconds of the walk alone, as the child that does it measures them."""
    def timed(*arguments):
        start = time.perf_counter()
        counts = core(*arguments)
        with open(path + ".seconds", "w") as file:
            file.write(str(time.perf_counter() - start))
        return counts

    agent.dump(path, core=timed)
    with open(path + ".seconds") as file:
        return float(file.read())


def memory(path, objects):
    """Bytes that stay in the target after a dump: of a process that was never dumped before."""
    program = """
import gc, os, sys
sys.path.insert(0, %r)
class Node:
    def __init__(self, number):
        self.number = number
        self.data = [number, str(number)]
        self.meta = {"k": number}
def resident():
    with open("/proc/self/statm") as file: return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
nodes = [Node(number) for number in range(%d)]
gc.collect()
before = resident()
from retainers import agent
imported = resident()
agent.dump(sys.argv[1], core=False)
print(before, imported - before, resident() - imported)
""" % (sys.path[0], objects // OBJECTS_OF_A_NODE)
    if not os.path.exists("/proc/self/statm"):
        print("bytes added to the target: not told by this system")
        return
    said = subprocess.run([sys.executable, "-c", program, path], stdout=subprocess.PIPE, check=True)
    before, code, added = map(int, said.stdout.split())
    print("%-44s %8.2f MiB by a dump, %.2f MiB once by the import, on %.0f MiB" % (
        "resident memory added to the target", added / 2**20, code / 2**20, before / 2**20))


def size(path, dump):
    """Bytes an object in the dump, plain and compressed."""
    packed = agent.dump(path + ".gz", core=False).bytes
    print("%-44s %8.1f bytes/object plain, %.1f gzip" % ("size of the dump", dump.bytes / dump.objects, packed / dump.objects))


def peers(path, objects):
    """Others' dumps of the same heap, in this process, where they can be imported."""
    def meliae():
        from meliae import scanner

        scanner.dump_all_objects(path)

    def guppy():
        import guppy

        guppy.hpy().heap()

    ours = seconds(lambda: agent.dump(path))
    for name, work in (("Meliae's dump", meliae), ("guppy3's heap()", guppy)):
        try:
            taken = seconds(work)
        except ImportError:
            print("%-44s not importable" % name)
        except Exception as error:  # a peer that fails is a result
            print("%-44s failed: %s: %s" % (name, type(error).__name__, error))
        else:
            print("%-44s %8.2f   (%.2f s, ours %.2f s)" % (name + " / ours", taken / ours, taken, ours))


if __name__ == "__main__":
    main()
