"""The native core against the agent: both write the same objects and references for the same heap.

The library is that of `RETAINERS_CORE` where it is set, else it is made from `python/core` by the `rustc` that is found.
"""

import collections
import gc
import importlib.util
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import types
import unittest
import weakref
from unittest import mock

PYTHON = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PYTHON))

from retainers import _native, agent  # noqa: E402
from tests.heap import core_library, on_the_newest  # noqa: E402

#: What the heap of a test leads to beyond itself, and where the comparison stops.
BEYOND = {"type", "module", "function", "frame", "abc.ABCMeta", "builtin_function_or_method"}
#: Constants and names, which the capture and this test hold as well, now more, now less.
SHARED = {"str", "int", "bytes", "tuple", "code", "float"}
FORK = hasattr(os, "fork")


def setUpModule():
    """Finds or makes the library."""
    global directory
    directory = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    library = core_library(directory)
    if library is None:
        raise unittest.SkipTest("no rustc to make the native core with, and RETAINERS_CORE is not set")
    try:
        _native.load(library)
    except ImportError as error:
        if not _native._interpreter_is_known():
            raise unittest.SkipTest(str(error))
        raise


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Node:
    def __init__(self, i):
        self.i = i
        self.data = [i, str(i)]
        self.meta = {"k": i}


class Child(Node):
    def __init__(self, i):
        super().__init__(i)
        self.extra = (i, None)
        self.__private = self


class Slots:
    __slots__ = ("first", "second", "__mangled")

    def __init__(self, first):
        self.first = first
        self.__mangled = first


class MoreSlots(Slots):
    __slots__ = ("third", "__weakref__")


class SlotsAndDict(Slots):
    pass


class Empty:
    __slots__ = ()


class Mapping(dict):
    pass


class Listing(list):
    pass


class Text(str):
    pass


class Sized:
    def __sizeof__(self):
        raise AssertionError("code of the program was run")


Point = collections.namedtuple("Point", "x y")


def dumped(core, **options):
    """`({address: line}, [root lines])` of a dump; `core` is `False` for the agent alone."""
    path = os.path.join(directory, "heap.jsonl")
    return parsed(path, agent.dump(path, core=core, **options))


def parsed(path, written):
    """`({address: line}, [root lines])` of a dump that has been written."""
    objects, roots = {}, []
    with open(path, encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            if "address" in line:
                objects[line["address"]] = line
            elif "root" in line:
                roots.append(line)
    assert len(objects) == written.objects, "an address was written twice"
    assert sum(len(line["refs"]) for line in objects.values()) == written.references
    return objects, roots


def dumped_twice(core, **options):
    """What `dumped` gives for a core and for the agent alone; nothing is read before both are written, since what is read
    is a heap as well."""
    paths = [os.path.join(directory, name) for name in ("native.jsonl", "python.jsonl")]
    both = [agent.dump(path, core=walk, **options) for path, walk in zip(paths, (core, False))]
    return [parsed(path, written)[0] for path, written in zip(paths, both)]


def part(objects, start):
    """The lines of what an object leads to, up to what is beyond."""
    found, todo = {}, [start]
    while todo:
        address = todo.pop()
        line = objects.get(address)
        if address in found or line is None:
            continue
        found[address] = line
        if line["type"] not in BEYOND:
            todo += line["refs"] + line.get("weak", [])
    return found


def comparable(line):
    """A line in which the order of the references makes no difference; of what is beyond, only what it is."""
    line = dict(line)
    if line["type"] in BEYOND:
        return {key: line.get(key) for key in ("address", "type", "name", "size")}
    names = line.pop("edges", [])
    line["refs"] = sorted(zip(line["refs"], map(str, names)))
    if line["type"] in SHARED:
        line.pop("rc", None)
    return line


class NativeCase(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        """A traceback among the heaps leads to the frame of its test, and so to two whole dumps."""
        gc.collect()

    def assert_same(self, heap, native, python):
        """Two dumps have the same lines for a heap and all that it leads to; those lines."""
        ours, theirs = part(native, id(heap)), part(python, id(heap))
        self.assertIn(id(heap), ours)
        lines = [ours.get(address) or theirs[address] for address in set(ours) ^ set(theirs)]
        self.assertEqual(lines, [], "found by one of them only")
        for address, line in ours.items():
            if line != theirs[address]:
                self.assertEqual(comparable(line), comparable(theirs[address]))
        return ours

    def assert_dumps_same(self, heap, **options):
        return self.assert_same(heap, *dumped_twice(_native.walk, **options))


class Heaps:
    """Heaps of many kinds; each method makes one."""

    def instances(self):
        late = Node(3)
        late.__dict__
        changed = Node(4)
        del changed.data
        changed.after = changed.__dict__
        odd = Plain()
        odd.__dict__[1] = "not a name"
        odd.__dict__["\xe9 \n'\""] = odd
        return [Node(1), Child(2), late, changed, odd, Plain(), Plain(a=1), object(), Sized()]

    def slots(self):
        both = SlotsAndDict([1])
        both.other = both
        more = MoreSlots({})
        more.third = more
        return [Slots(1.5), Slots(None), more, MoreSlots(both), both, SlotsAndDict(0), Empty()]

    def classes_over_containers(self):
        mapping = Mapping(a=1)
        mapping.attribute = mapping
        return [mapping, Mapping(), Listing([1, [2]]), Text("text"), Point(1, [2]), collections.OrderedDict(a=[1]),
                collections.defaultdict(list, b=[2]), collections.deque([1, "x"]), collections.Counter("hello")]

    def more_attributes_than_are_kept_inline(self):
        return [Plain(**{"attribute%d" % i: [i] for i in range(count)}) for count in (5, 29, 30, 31, 40, 200)]

    def dictionaries(self):
        keys = ["a", "it's", 'say "x"', "\\", "\n\t\x00\x7f", "\xe9", "\u20ac", "\U0001f600", "\ud800", "x" * 80, "x" * 81, 0,
                -1, 1 << 29, 1 << 30, -(1 << 61), 1 << 300, True, None, 1.5, float("inf"), 2j, b"bytes", b"x" * 90, (), (1,),
                (1, ("two", 3.0)), (object(),), frozenset([1]), Node, Text("k"), type(None), ...]
        odd = {key: [place] for place, key in enumerate(keys)}
        holes = {i: str(i) for i in range(100)}
        for i in range(0, 100, 3):
            del holes[i]
        cleared = {1: 2}
        cleared.clear()
        return [odd, holes, cleared, {}, dict.fromkeys("abcdef"), {"k": {"k": {}}}, dict(zip(range(20000), map(str, range(20000))))]

    def sets(self):
        removed = set(range(1000))
        for i in range(0, 1000, 7):
            removed.discard(i)
        return [set(), frozenset(), {1}, {1, "a", (2,)}, frozenset("abc"), set(map(str, range(5000))), removed]

    def strings_and_bytes(self):
        texts = ["", "a", "plain", "quote\" back\\slash", "\x00\x01\x1f\x7f\x80\xff", "\xe9t\xe9", "\u20ac", "\u2028\ufeff",
                 "\U0001f600\U0010ffff", "lone \ud800 and \udfff", "\ud83d\ude00", "a" * 119, "a" * 120, "a" * 121,
                 "\xe9" * 200, "\u20ac" * 200, "\U0001f600" * 200]
        encoded = ["caf\xe9 %d" % i for i in range(3)]
        for text in encoded:
            compile("'%s'" % text, text, "exec")  # makes CPython keep the UTF-8 form beside
        return [texts, encoded, [b"", b"a", bytes(range(256)), b"\"\\", b"z" * 500, bytearray(b"grows")]]

    def numbers(self):
        numbers = [0, 1, -1, 255, 256, 257, -5, -6]
        for bits in (29, 30, 31, 52, 53, 54, 59, 60, 61, 63, 64, 89, 90, 91, 255, 256, 257, 5000):
            numbers += [(1 << bits) - 1, 1 << bits, (1 << bits) + 1, -(1 << bits), 1 - (1 << bits)]
        return [numbers, True, False, None, ..., NotImplemented, 0.0, -0.0, 1e300, float("nan"), 1j, range(3)]

    def closures_generators_and_methods(self):
        def outer(held):
            def inner():
                return held, later

            if held is None:
                later = held
            return inner

        def generate(local):
            yield local

        async def coroutine(argument):
            return argument

        started = generate([1])
        next(started)
        waiting = coroutine({})
        waiting.close()
        return [outer([1]), outer({}).__closure__, started, generate(2), waiting, Node(1).__init__, [].append, property(len),
                staticmethod(len), classmethod(outer), lambda: None, outer.__code__]

    def cycles(self):
        loop = []
        loop.append(loop)
        ring = [Plain() for _ in range(50)]
        for one, other in zip(ring, ring[1:] + ring[:1]):
            one.next, other.previous = other, one
        return [loop, ring, {"self": ring}]

    def exceptions_and_tracebacks(self):
        def fail(local):
            raise ValueError("wrong", local)

        try:
            try:
                fail([1])
            except ValueError:
                raise KeyError
        except KeyError as error:
            return [error, error.args]

    def weak_references(self):
        target = Node(1)
        dead = weakref.ref(Node(2))
        return [weakref.ref(target), weakref.ref(target, print), dead, target, weakref.WeakValueDictionary(a=target),
                weakref.proxy(target)]

    def arrays(self):
        if importlib.util.find_spec("numpy") is None:
            return []
        import numpy

        objects = numpy.array([Node(1), [2], None], dtype=object)
        return [objects, numpy.zeros(10), objects[1:], numpy.float64(1.5), numpy.dtype("i4,O")]

    def random_ones(self):
        return [random_heap(random.Random(seed)) for seed in range(10)]

    def frozen(self):
        heap = [Node(i) for i in range(10)]
        gc.freeze()
        return heap


class SameAsTheAgent(NativeCase):
    def test_heaps(self):
        heaps = {name: make(Heaps()) for name, make in vars(Heaps).items() if not name.startswith("_")}
        try:
            native, python = dumped_twice(_native.walk, fork=FORK)
        finally:
            gc.unfreeze()
        for name, heap in heaps.items():
            with self.subTest(heap=name):
                self.assert_same(heap, native, python)
        # the second dump sees what the first has left in the process: a few counters and results
        here = [address for address in set(native) | set(python)
                if address not in native or address not in python
                or native[address]["refs"] != python[address]["refs"]
                and comparable(native[address]).get("refs") != comparable(python[address]).get("refs")]
        self.assertLess(len(here), 60, [native.get(address) or python.get(address) for address in here][:60])

    def test_a_list_that_is_linked_a_million_times(self):
        chain = None
        for _ in range(1000000):
            chain = [chain]
        path = os.path.join(directory, "heap.jsonl")
        written = agent.dump(path, core=_native.walk)
        self.assertGreater(written.objects, 1000000)
        links = 0
        with open(path, encoding="utf-8") as file:
            for text in file:
                links += '"type":"list","size":' in text and '"edges":["[0]"],"len":1,' in text
        self.assertGreaterEqual(links, 1000000)
        while chain is not None:  # the interpreter itself would recurse
            chain = chain.pop()

    def test_frames_of_threads(self):
        ready, done = threading.Event(), threading.Event()

        def work(local):
            ready.set()
            done.wait(60)

        held = [Node(7)]
        thread = threading.Thread(target=work, args=(held,))
        thread.start()
        try:
            ready.wait(60)
            native, roots = dumped(_native.walk)
        finally:
            done.set()
            thread.join()
        frames = [root for root in roots if root["root"] == "frame" and (root.get("name") or "").endswith("work")]
        self.assertEqual(len(frames), 1)
        self.assertIn(id(held), native[frames[0]["object"]]["refs"])

    @on_the_newest
    def test_without_values(self):
        secret = "in no dump %d" % id(self)
        heap = [Node(1), Plain(attribute=secret), {secret: [secret]}, {}, {"k": {"n": 1}}, Slots(secret), secret.encode()]
        lines = self.assert_dumps_same(heap, values=False)
        self.assertNotIn("value", {key for line in lines.values() for key in line})
        native, _ = dumped(_native.walk, values=False)
        self.assertNotIn(secret, json.dumps(native))
        attributes = native[id(heap[1])]
        names = attributes["edges"] + [name for address in attributes["refs"] for name in native[address].get("edges", ())]
        self.assertTrue({".attribute", "['attribute']"} & set(names))

    @on_the_newest
    def test_texts_that_contain_what_the_environment_holds(self):
        rng = random.Random(8)
        # eight characters are enough to hide what contains them, seven are not; no eight of them are in another
        secrets = ["0123abc!", "\xe9" * 9 + "2", "\u20ac-\U0001f600-long-enough", "/" + "ab" * 70, "0123abX"]
        texts = []
        for secret in secrets:
            for before in [*range(12), *range(105, 125), 200]:
                for filler in ("0", "\xe9\x80", "\u20ac", "\U0001f600"):
                    text = (filler * before)[:before] + secret[:rng.choice((len(secret), len(secret), 7))] + filler * rng.choice((0, 1, 90))
                    texts.append((secret if len(secret) >= agent.SECRET_LENGTH else None, text))
        heap = [text for _, text in texts] + [text.encode() for _, text in texts]
        heap += [{text: 1} for _, text in texts[::9]] + [Plain(**{text: 1}) for _, text in texts[::9]]
        with mock.patch.dict(os.environ, {"SECRET_%d" % place: secret for place, secret in enumerate(secrets)}):
            self.assert_dumps_same(heap)
            native, _ = dumped(_native.walk)
        hidden = 0
        for secret, text in texts:
            is_hidden = "value" not in native[id(text)]
            place = text.find(secret) if secret else -1
            self.assertEqual(is_hidden, 0 <= place < agent.VALUE_LIMIT or text in secrets, text)
            hidden += is_hidden
        self.assertGreater(hidden, len(texts) // 3)
        self.assertLess(hidden, len(texts) * 2 // 3)

    @on_the_newest
    def test_without_a_fork(self):
        heap = [Node(1), Child(2), Plain(), {"k": (1, "a")}, {(1,): {2}}, Slots([])]
        native, python = dumped_twice(_native.walk, fork=False)
        ours, theirs = part(native, id(heap)), part(python, id(heap))
        self.assertEqual(set(ours), set(theirs))
        for address, line in ours.items():
            self.assertEqual(sorted(line["refs"]), sorted(theirs[address]["refs"]))
        names = [name for line in ours.values() if line["type"].endswith((".Node", ".Child")) for name in line["edges"]]
        self.assertNotIn(None, names)

    def test_nothing_changes_without_a_fork(self):
        heap = [Node(i) for i in range(100)]
        before = [(sys.getrefcount(o), [type(r) for r in gc.get_referents(o)]) for o in heap]
        dumped(_native.walk, fork=False)
        self.assertEqual(before, [(sys.getrefcount(o), [type(r) for r in gc.get_referents(o)]) for o in heap])


def random_heap(rng):
    """Objects of all common types that refer to each other at random."""
    made = [Plain(), [], {}]

    def pick():
        return rng.choice(made)

    def text():
        alphabet = rng.choice(["ab", "a\"\\\n", "\xe9a", "\u20ac", "\U0001f600b", "\ud800x"])
        return "".join(rng.choice(alphabet) for _ in range(rng.randrange(140)))

    makers = [
        lambda: rng.randrange(-(1 << rng.randrange(1, 300)), 1 << 300), lambda: rng.random(), text,
        lambda: bytes(rng.randrange(256) for _ in range(rng.randrange(150))),
        lambda: [pick() for _ in range(rng.randrange(20))], lambda: tuple(pick() for _ in range(rng.randrange(6))),
        lambda: {rng.choice([text(), rng.randrange(1 << 70), (1, text())]): pick() for _ in range(rng.randrange(20))},
        lambda: {rng.choice([text(), rng.randrange(100)]) for _ in range(rng.randrange(40))},
        lambda: Plain(**{rng.choice("abcdefgh") * rng.randrange(1, 4): pick() for _ in range(rng.randrange(40))}),
        lambda: Node(rng.randrange(10)), lambda: Slots(pick()), lambda: (lambda held: lambda: held)(pick()).__closure__[0],
        lambda: Mapping({text(): pick()}), lambda: types.SimpleNamespace(a=pick()), lambda: Point(pick(), pick()),
        lambda: collections.deque([pick(), pick()]), lambda: Node(1).__init__,
    ]
    for _ in range(400):
        made.append(rng.choice(makers)())
        holder = pick()
        if type(holder) is list:
            holder.append(pick())
        elif type(holder) is dict:
            holder[text()] = pick()
        elif type(holder) is Plain:
            setattr(holder, rng.choice("pqrstuvw"), pick())
    return made


class Secrets(NativeCase):
    @on_the_newest
    def test_what_the_environment_holds_is_never_written(self):
        word = "never-written-%d" % os.getpid()
        with mock.patch.dict(os.environ, {"RETAINERS_TEST_SECRET": word}):
            copies = ["".join(word), word.encode(), {word: 1}, {"k": "".join(list(word))}, "".join(list(word))]
            native, python = dumped_twice(_native.walk, fork=FORK)
            lines = self.assert_same(copies, native, python)
        self.assertNotIn(word, json.dumps(lines))
        self.assertNotIn(word, json.dumps(native))


class WithoutTheCore(NativeCase):
    def assert_the_agent_writes(self, heap):
        path = os.path.join(directory, "heap.jsonl")
        agent.dump(path, core=_native.walk)
        with open(path, encoding="utf-8") as file:
            self.assertIn('{"address":%d,' % id(heap), file.read())

    def test_an_interpreter_that_is_not_known_is_left_to_the_agent(self):
        another = types.SimpleNamespace(hexversion=0x04000000, getsizeof=sys.getsizeof)
        with mock.patch.object(_native, "sys", another):
            self.assert_the_agent_writes([Node(1)])

    def test_without_a_library_the_agent_writes(self):
        with mock.patch.object(_native, "_core", None):
            self.assertFalse(_native.available())
            self.assert_the_agent_writes([Node(1)])

    def test_another_library_is_refused(self):
        known = _native._core
        other = os.path.join(directory, "other.so")
        for content in (b"", b"not a library", b"\x7fELF" + bytes(100)):
            with open(other, "wb") as file:
                file.write(content)
            with self.assertRaises(ImportError):
                _native.load(other)
        self.assertIs(_native._core, known)

    def test_wrong_arguments_are_errors(self):
        core = _native._core
        for arguments in ((), (1, 2, 3), tuple(range(19)), ([],) * 19, ("x",) * 19):
            with self.assertRaises((TypeError, IndexError)):
                core(*arguments)

    def test_errors_of_callbacks_reach_the_caller(self):
        class Full(Exception):
            pass

        def write(data):
            raise Full

        def broken(capture, describer, _):
            return _native.walk(capture, describer, write)

        with self.assertRaises(Full):
            agent.dump(os.path.join(directory, "heap.jsonl"), core=broken, fork=False)
        for name, answer in (("describe", None), ("plan", (b"", "", 0)), ("check", 7)):
            with self.subTest(callback=name), mock.patch.object(_native._Python, name, lambda *_, answer=answer: answer):
                heap = [{"\xe9": 1}, Node(1)]
                with self.assertRaises(TypeError):
                    agent.dump(os.path.join(directory, "heap.jsonl"), core=_native.walk, fork=False)
                del heap


if __name__ == "__main__":
    unittest.main()
