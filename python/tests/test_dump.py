"""The dump as a file: shape, completeness, counts, and what must not be in it."""

import collections
import io
import os
import re
import sys
import unittest

from retainers import agent

from .heap import IS_SHORT, Directory, Heap, captured, dump_of, on_the_newest, run

MODES = [True, False][:1 if IS_SHORT else 2] if hasattr(os, "fork") else [False]


class Shape(unittest.TestCase):
    def test_lines_are_those_of_the_format(self):
        for fork in MODES:
            for values in [True, False][:1 if IS_SHORT else 2]:
                with self.subTest(fork=fork, values=values):
                    heap = captured(fork=fork, values=values)
                    self.assertEqual(next(iter(heap.header)), "retainers")
                    self.assertEqual(heap.header["pid"], os.getpid())
                    self.assertRegex(heap.header["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
                    self.assertEqual(heap.end["objects"], len(heap.objects))
                    self.assertEqual(heap.end["references"], sum(len(line["refs"]) for line in heap.objects.values()))
                    self.assertEqual(heap.end["roots"], len(heap.roots))
                    for line in heap.objects.values():
                        self.assertEqual(len(line.get("edges", line["refs"])), len(line["refs"]), line)
                        self.assertEqual(len(line.get("kinds", line["refs"])), len(line["refs"]), line)

    def test_every_reference_leads_to_an_object(self):
        for fork in MODES:
            heap = captured(fork=fork)
            known = set(heap.objects.addresses)
            for line in heap.objects.values():
                for address in line["refs"] + line.get("weak", []):
                    self.assertTrue(address in known, line)
            for root in heap.roots:
                self.assertTrue(root[2] in known, root)

    def test_into_a_file_object(self):
        for fork in MODES:
            file = io.BytesIO()
            dump = agent.dump(file, fork=fork)
            self.assertEqual(len(file.getvalue()), dump.bytes)
            self.assertEqual(len(Heap(file.getvalue().decode("utf-8")).objects), dump.objects)

    @on_the_newest
    def test_gzip(self):
        import gzip

        with Directory() as directory:
            path = directory.join("heap.jsonl.gz")
            dump = agent.dump(path)
            with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
                self.assertEqual(len(Heap(file.read()).objects), dump.objects)
            self.assertEqual(os.path.getsize(path), dump.bytes)

    def test_zstd_or_a_warning(self):
        with Directory() as directory:
            path = directory.join("heap.jsonl.zst")
            _, errors = run("import retainers, sys; retainers.dump(sys.argv[1])", path)
            with open(path, "rb") as file:
                start = file.read(4)
            if start == b"\x28\xb5\x2f\xfd":
                self.assertEqual(errors, "")
            else:
                self.assertEqual(start, b'{"re')
                self.assertIn("RuntimeWarning: no zstd compressor", errors)

    def test_text_that_json_must_escape(self):
        strange = ['"', "\\", "\x00\x1f\n", "\u2028é\U0001f600", "\ud800 lone", "\x7f\x85"]
        holder = {text: text for text in strange}
        heap = captured()
        for text in strange:
            self.assertEqual(heap.of(text)["value"], text)
            self.assertEqual(heap.names(holder, text), ["[%r]" % text, "key [%r]" % text])


class Complete(unittest.TestCase):
    def test_all_that_the_collector_tracks(self):
        heap, output = dump_of("""
import gc, sys
from retainers import agent
class Node: pass
keep = [Node() for _ in range(100)]
own = [keep]
agent.dump(PATH, core=False)
package = {id(o) for o in gc.get_objects() if "retainers" in (getattr(o, "__module__", None) or "") if isinstance(o, (type, type(Node.__init__), type(lambda: 0)))}
for o in gc.get_objects():
    if type(o).__module__ in ("__main__", "builtins", "collections", "os") and o is not package:
        print(id(o), type(o).__name__)
""")
        known = set(heap.objects.addresses)
        missing = collections.Counter(line.split()[1] for line in output.splitlines() if int(line.split()[0]) not in known)
        # the package itself, and what this script made after the dump, the module `select` among it, by which is waited
        self.assertEqual(heap.types()["__main__.Node"], 100)
        self.assertLess(sum(missing.values()), 0.05 * len(heap.objects), missing)
        self.assertFalse(set(missing) - {"function", "dict", "list", "tuple", "set", "type", "cell", "getset_descriptor", "module", "frame",
                                         "property", "member_descriptor", "ModuleSpec", "builtin_function_or_method", "method-wrapper",
                                         "method", "generator", "filter", "zip", "map", "weakref", "dict_itemiterator", "tuple_iterator",
                                         "method_descriptor", "wrapper_descriptor", "classmethod_descriptor", "ReferenceType", "SourceFileLoader", "TextIOWrapper"},
                         missing)

    def test_frozen_generation(self):
        code = """
import gc
from retainers import agent
class Frozen: pass
a, b = Frozen(), Frozen()
a.other, b.other = b, a
del a, b
gc.freeze()
agent.dump(PATH, core=False, fork=%r)
assert gc.get_freeze_count()
"""
        if hasattr(os, "fork"):
            heap, _ = dump_of(code % True)
            self.assertEqual(heap.types()["__main__.Frozen"], 2)
        heap, _ = dump_of(code % False)
        self.assertTrue(any("frozen" in what and count > 0 for what, count in heap.unseen.items()), heap.unseen)

    def test_two_dumps_are_alike(self):
        for fork in MODES:
            with self.subTest(fork=fork):
                _, output = dump_of("""
import gc, io
from retainers import agent
gc.collect()
gc.disable()
def one():
    # what the dump before made of the interpreter's caches is there from the second on
    return agent.dump(io.BytesIO() if not %r else PATH, fork=%r, core=False).objects
agent.dump(PATH, fork=%r, core=False)
print(one(), one(), one())
""" % (fork, fork, fork))
                counts = list(map(int, output.split()))
                self.assertLess(max(counts) - min(counts), 12, counts)

    def test_nothing_of_the_capture_itself(self):
        for fork in MODES:
            heap, _ = dump_of("""
import retainers
class Kept: pass
kept = [Kept() for _ in range(1000)]
retainers.dump(PATH, fork=%r, core=False)
""" % fork)
            names = [line for line in heap.objects.values() if line["type"].startswith("retainers.")]
            self.assertEqual(names, [])
            self.assertFalse([name for name in heap.rooted("module") if name.startswith("retainers")])
            longest = sorted((line.get("len", 0), line["type"]) for line in heap.objects.values()
                             if line["type"] in ("list", "dict", "set"))[-1]
            # its lists and sets would have an entry for every object
            self.assertLess(longest[0], len(heap.objects) // 4, longest)
            mine = [line for line in heap.objects.values() if "retainers" in str(line.get("name", ""))]
            self.assertEqual(mine, [])
            code = [line["name"] for line in heap.objects.values() if line["type"] in ("code", "function")
                    and line.get("name", "").split(".")[0] in ("Describer", "Capture", "Before", "_walk_some")]
            self.assertEqual(code, [])
            functions = [line for line in heap.objects.values() if line["type"] == "frame"]
            self.assertEqual([line["name"] for line in functions if "dump" in line["name"]], [])

    def test_counts_are_those_found_without_it(self):
        """The collector's list in a process without the package, against the dump of the same program with it."""
        program = """
import gc, sys
class Node: pass
nodes = [[Node(), {i: i}] for i in range(5000)]
"""
        without, _ = run(program + "gc.collect(); print(sum(1 for o in gc.get_objects() if type(o).__module__ == '__main__'), "
                                   "sum(1 for o in gc.get_objects() if type(o) is list), len(gc.get_objects()))")
        heap, _ = dump_of(program + "import retainers; gc.collect(); retainers.dump(PATH, core=False)")
        nodes, lists, tracked = map(int, without.split())
        self.assertEqual(heap.types()["__main__.Node"], nodes)
        self.assertLess(abs(heap.types()["list"] - lists), 150, "lists of modules that are imported with the package")
        self.assertGreater(len(heap.objects), tracked * 0.9)


class ReferenceCounts(unittest.TestCase):
    def test_without_those_of_the_capture(self):
        class Counted:
            pass

        kept = [Counted()]
        many = [Counted()] * 5
        as_key = {Counted(): 1}
        for fork in MODES:
            heap = captured(fork=fork)
            self.assertEqual(heap.of(kept[0])["rc"], 1)
            self.assertEqual(heap.of(many[0])["rc"], 5)
            self.assertEqual(heap.of(next(iter(as_key)))["rc"], 1)

    def test_in_degree_explains_the_counts_of_the_programs_objects(self):
        heap, _ = dump_of("""
import retainers
class Node:
    def __init__(self, n): self.n, self.data, self.next = n, [n], None
class Slotted:
    __slots__ = ("a", "b")
nodes = [Node(i) for i in range(50)]
for a, b in zip(nodes, nodes[1:]): a.next = b
slotted = Slotted(); slotted.a = slotted; slotted.b = nodes[0]
del a, b
retainers.dump(PATH, core=False)
""")
        found = collections.Counter(address for line in heap.objects.values() for address in line["refs"])
        checked = 0
        for line in heap.objects.values():
            if line["type"] in ("__main__.Node", "__main__.Slotted"):
                checked += 1
                self.assertEqual(line["rc"], found[line["address"]], line)
        self.assertEqual(checked, 51)

    def test_types_and_descriptors(self):
        """Those the capture itself uses while it walks."""
        class Slotted:
            __slots__ = ("member",)

        kept = Slotted()
        kept.member = 1
        for fork in MODES:
            before = sys.getrefcount(Slotted.__dict__["member"]), sys.getrefcount(Slotted)
            heap = captured(fork=fork)
            self.assertEqual(heap.of(Slotted.__dict__["member"])["rc"], before[0] - 1)
            self.assertEqual(heap.of(Slotted)["rc"], before[1] - 1)

    def test_locals_of_running_frames(self):
        class Local:
            pass

        local = Local()
        for fork in MODES:
            heap = captured(fork=fork)
            self.assertEqual(heap.of(local)["rc"], 1)


class Edges(unittest.TestCase):
    def test_as_the_collector_reports_them(self):
        """Edge for edge, on every object of a process: what the collector reports is in the dump, as often."""
        for fork in MODES:
            with self.subTest(fork=fork):
                heap, output = dump_of("""
import gc, sys
from retainers import agent
class Plain: pass
class Slots: __slots__ = ("a", "__weakref__")
class Sub(dict): pass
class Deep(Slots): pass
class Many: pass
def closure():
    x = Plain()
    def inner(a: int = 3, *, k=[1]) -> None: return x
    inner.attribute = 1
    return inner
plain, slots, sub, deep, many = Plain(), Slots(), Sub(a=[1]), Deep(), Many()
plain.a = plain.b = [plain]; slots.a = slots; sub.x = sub; deep.a = 1; deep.z = deep; sub[3] = 3
touched = Plain(); touched.q = [1]; touched.__dict__
for i in range(50): setattr(many, "a%%d" %% i, i)
things = [plain, slots, sub, deep, many, closure(), touched, {1: 2, "a": []}, {1, 2}, frozenset([3]), (1, [2]), [[]] * 3, Exception(1, plain)]
seen = {}
todo = list(things)
while todo:
    o = todo.pop()
    if id(o) in seen or type(o) in (type(sys), type, type(sys._getframe())): continue
    seen[id(o)] = o
    if o is not globals(): todo.extend(gc.get_referents(o))
seen.pop(id(globals()), None)
del o, todo
expected = {i: sorted(id(r) for r in gc.get_referents(o)) for i, o in seen.items()}
agent.dump(PATH, fork=%r, core=False)
print(repr(expected))
""" % fork)
                expected = eval(output)
                self.assertGreater(len(expected), 50)
                for address, referents in expected.items():
                    line = heap.objects[address]
                    there = collections.Counter(line["refs"])
                    missing = collections.Counter(referents) - there
                    self.assertFalse(missing, (line, missing))
                    more = there - collections.Counter(referents)
                    if more:  # what the collector is not told of
                        named = {line["edges"][place] for place, target in enumerate(line["refs"]) if target in more}
                        self.assertTrue(all(name.startswith(("key [", "co_", "start", "stop", "step", "__qualname__", "__dict__"))
                                            for name in named) or line["type"] == "__main__.Sub", (line, named))

    def test_at_least_99_percent_have_a_name(self):
        heap, _ = dump_of("""
import retainers
class Node:
    def __init__(self, i): self.i, self.data, self.meta = i, [i, str(i)], {"k": i}
nodes = [Node(i) for i in range(3000)]
retainers.dump(PATH, core=False)
""")
        named = unnamed = 0
        for line in heap.objects.values():
            edges = line.get("edges", [])
            unnamed += edges.count(None)
            named += len(edges) - edges.count(None)
        self.assertGreater(named / (named + unnamed), 0.99)


class Privacy(unittest.TestCase):
    CODE = """
import os, retainers
class User:
    def __init__(self): self.password = "hunter2-hunter2"
user = User()
table = {"alice@example.com": 4711_0815, b"raw-bytes": 3.25, 81547: "x", ("tuple-key", 1): None, "nested": {"deep-key": user}}
copied = os.environ["SECRET_TOKEN"]
again = {os.environ["SECRET_TOKEN"]: "as key"}
secret_holder = dict(os.environ)
retainers.dump(PATH, core=False, values=%r, fork=%r)
"""
    ENVIRONMENT = {"SECRET_TOKEN": "tok-3f9a-very-secret", "OTHER_SETTING": "zürich-ñ"}

    def text(self, values, fork):
        with Directory() as directory:
            path = directory.join("heap.jsonl")
            run("PATH = %r\n" % path + self.CODE % (values, fork), environment=self.ENVIRONMENT)
            with open(path, encoding="utf-8") as file:
                return file.read()

    def test_no_values(self):
        for fork in MODES:
            text = self.text(False, fork)
            for data in ("hunter2", "alice@", "47110815", "raw-bytes", "3.25", "81547", "tuple-key", "deep-key"):
                self.assertNotIn(data, text.replace("\n", " ") if not data.isdigit() else re.sub(r'"(address|refs|object|weak)":(\d+|\[[^]]*\])', "", text))
            self.assertNotIn('"value":', text)
            self.assertNotIn('"command":', text)
            heap = Heap(text)
            names = {name for line in heap.objects.values() for name in line.get("edges", ())}
            # names of attributes are code, not data
            attribute = ".password" if sys.version_info >= (3, 11) else "['password']"
            for name in (attribute, "['user']", "[<str>]"):
                self.assertTrue(name in names, name)

    def test_the_environment_is_never_written(self):
        for fork in MODES:
            for values in (True, False):
                text = self.text(values, fork)
                self.assertNotIn("tok-3f9a", text)
                self.assertNotIn("zürich", text)
                self.assertNotIn("z\\u00c3", text)
                self.assertNotIn("b'SECRET_TOKEN'", text)
                self.assertEqual("hunter2" in text, values)

    def test_values_are_bounded_and_of_exact_types(self):
        class Text(str):
            pass

        long, huge, special, blob = "x" * 10000, 1 << 4000, Text("sub-class"), b"y" * 10000
        keep = [long, huge, special, blob]
        heap = captured()
        self.assertEqual(heap.of(long)["len"], 10000)
        self.assertLess(len(heap.of(long)["value"]), 200)
        self.assertLess(len(heap.of(blob)["value"]), 200)
        self.assertLess(len(str(heap.of(huge)["value"])), 200)
        self.assertNotIn("value", heap.of(special))
        self.assertEqual(len(keep), 4)


if __name__ == "__main__":
    unittest.main()
