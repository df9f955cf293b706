"""What a capture costs, as ratios that are measured side by side in one run. Standard library only; peers where importable.

    python benches/capture.py [--objects N] [--runs N] [--retainers PROGRAM] [--peers DIRECTORY]

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
    arguments.add_argument("--retainers", help="the program, for captures from outside")
    arguments.add_argument("--peers", help="directory with the programs midden-inject and memray, for the same")
    options = arguments.parse_args()
    if options.retainers:
        outside(options)
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


#: A program that holds a heap, sleeps, and says how long its sleeps were too long at worst, and what a fork and a full
#: collection take.
TARGET = """
import gc, os, sys, threading, time
class Node:
    def __init__(self, number):
        self.number = number
        self.data = [number, str(number)]
        self.meta = {"k": number}
nodes = [Node(number) for number in range(int(sys.argv[1]))]
gc.collect()
start = time.perf_counter()
child = os.fork()
if not child:
    os._exit(0)
forked = time.perf_counter() - start
os.waitpid(child, 0)
print(forked, flush=True)
worst = 0
threading.Thread(target=lambda: (sys.stdin.readline(), print(worst, flush=True), os._exit(0)), daemon=True).start()
while True:
    start = time.perf_counter()
    time.sleep(0.001)
    worst = max(worst, time.perf_counter() - start - 0.001)
"""


def outside(options):
    """Captures of another process: how long it stands still, as it sees that itself, and how long the whole takes."""
    def captured(command):
        """Seconds of the whole, of the longest interruption in the target, and of a fork of it."""
        target = subprocess.Popen([sys.executable, "-c", TARGET, str(options.objects // OBJECTS_OF_A_NODE)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            forked = float(target.stdout.readline())
            time.sleep(0.2)
            with tempfile.TemporaryDirectory() as directory:
                words = [word.format(pid=target.pid, directory=directory) for word in command]
                start = time.perf_counter()
                subprocess.run(words, cwd=directory, check=True, timeout=300, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                whole = time.perf_counter() - start
            target.stdin.write("\n")
            target.stdin.flush()
            return whole, float(target.stdout.readline()), forked
        finally:
            target.kill()
            target.wait()

    ours = [os.path.abspath(options.retainers), "capture", "{pid}", "-o", "{directory}/heap.jsonl.zst", "--quiet"]
    results = [captured(ours) for _ in range(options.runs)]
    whole = min(result[0] for result in results)
    stopped = min(result[1] - result[2] for result in results) * 1e3
    verdict("whole capture from outside, s", whole, 1.0, False, "%d objects" % options.objects)
    verdict("stopped, ms, without the fork's own", stopped, 10.0, False, "the fork alone takes %.1f ms" % (
        min(result[2] for result in results) * 1e3))
    peers = (("Midden's injector", ["midden-inject", "{pid}", "-o", "{directory}/heap.jsonl"]),
             ("memray attach", ["memray", "attach", "--aggregate", "-o", "{directory}/out.bin", "{pid}"]))
    for name, command in peers:
        path = os.path.join(os.path.abspath(options.peers or "."), command[0])
        if not os.path.exists(path):
            print("%-44s not here (--peers)" % name)
            continue
        try:
            taken, still, _ = captured([path] + command[1:])
        except (subprocess.SubprocessError, ValueError) as error:
            print("%-44s failed: %s" % (name, str(getattr(error, "stderr", None) or error).strip()[-200:]))
        else:
            print("%-44s %8.2f   (%.2f s, stopped %.0f ms)" % (name + " / ours", taken / whole, taken, still * 1e3))


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
