"""Names of references, one for each kind of holder."""

import array
import collections
import contextvars
import functools
import gc
import os
import sys
import types
import unittest
import weakref

from .heap import captured

HAS_FORK = hasattr(os, "fork")
INLINE = sys.version_info >= (3, 11)


class Plain:
    def __init__(self, **attributes):
        self.first = attributes.get("first")
        self.second = attributes.get("second")


class Slotted:
    __slots__ = ("slot", "other")


class SlottedWithDict(Slotted):
    def __init__(self, value):
        self.extra = value


class Named(collections.namedtuple("Named", "left right")):
    pass


class Items(dict):
    pass


class Sequence(list):
    pass


def generate(held):
    yield held


async def wait(held):
    await later()


@types.coroutine
def later():
    yield


def make_closure(held):
    def closure(a: int = 3, *, key=held):
        return held

    closure.attribute = held
    return closure


def raise_with(held):
    raise ValueError(held)


class Held:
    """What is captured; not attributes of the test, where functions would be bound."""


class Names(unittest.TestCase):
    """Everything is made once, and captured once for each way to capture."""

    @classmethod
    def setUpClass(cls):
        cls.held = held = Held()
        held.target = target = ["the target"]
        held.plain, held.both = Plain(first=target), Plain(first=target, second=target)
        held.touched = Plain(first=target)
        held.touched_dict = held.touched.__dict__
        held.many = Plain()
        for number in range(60):
            setattr(held.many, "many_%d" % number, target)
        held.slotted = Slotted()
        held.slotted.slot = target
        held.slots_and_dict = SlottedWithDict(target)
        held.slots_and_dict.other = target
        held.table = {"key": target, 3: target, None: target, (1, "a"): target, Plain: target, b"b": target, 2.5: target}
        held.items = Items(a=target)
        held.items[7] = target
        held.items.attribute = target
        held.ordered = collections.OrderedDict(a=target)
        held.default = collections.defaultdict(list, a=target)
        held.list, held.tuple, held.deque = [0, target, target], (target,), collections.deque([0, target])
        held.set, held.frozen = {0, held.tuple[0] is None, make_closure}, frozenset([make_closure])
        held.sequence = Sequence([target])
        held.sequence.attribute = target
        held.named = Named(0, target)
        held.closure = make_closure(target)
        held.method = held.plain.__init__
        held.builtin = target.append
        held.partial = functools.partial(print, target, sep=target)
        held.generator = generate(target)
        next(held.generator)
        held.coroutine = wait(target)
        held.coroutine.send(None)
        try:
            raise_with(target)
        except ValueError as error:
            held.error = error
        held.property = property(make_closure)
        held.static, held.class_method = staticmethod(make_closure), classmethod(make_closure)
        held.weak_target = Plain()
        held.weak = weakref.ref(held.weak_target, make_closure)
        held.keyed = weakref.WeakValueDictionary(a=held.weak_target)
        held.module = types.ModuleType("made_up")
        held.module.attribute = target
        held.view = memoryview(bytearray(10))
        held.range = range(0, 1 << 70)
        held.iterator = iter(held.list)
        held.proxy = types.MappingProxyType(held.table)
        cls.dumps = [captured(fork=fork) for fork in ([True, False] if HAS_FORK else [False])]

    def check(self, holder, held, *names, live=True):
        for heap in self.dumps if live else self.dumps[:1]:
            self.assertEqual(heap.names(holder, held), sorted(names))

    def test_attributes(self):
        if INLINE:
            self.check(self.held.plain, self.held.target, ".first")
            self.check(self.held.both, self.held.target, ".first", ".second")
        else:
            self.check(self.held.plain, self.held.plain.__dict__, "__dict__")
            self.check(self.held.plain.__dict__, self.held.target, "['first']")

    def test_a_dictionary_that_is_there(self):
        # early 3.13 does not report it, and only a child may ask
        reported = any(held is self.held.touched_dict for held in gc.get_referents(self.held.touched))
        self.check(self.held.touched, self.held.touched_dict, "__dict__", live=reported)
        self.check(self.held.touched_dict, self.held.target, "['first']")

    def test_many_attributes(self):
        heap = self.dumps[0]
        names = heap.names(self.held.many, self.held.target)
        if not names:
            names = ["." + name[2:-2] for name in heap.names(self.held.many.__dict__, self.held.target)]
        self.assertEqual(names, sorted(".many_%d" % number for number in range(60)))

    @unittest.skipIf(not INLINE, "instances have dictionaries before 3.11")
    def test_the_live_process_gets_no_dictionaries(self):
        fresh = [Plain(first=1) for _ in range(10)]
        captured(fork=False)
        for instance in fresh:
            self.assertFalse([held for held in gc.get_referents(instance) if type(held) is dict])
        if HAS_FORK:
            captured(fork=True)
            for instance in fresh:
                self.assertFalse([held for held in gc.get_referents(instance) if type(held) is dict])

    def test_slots(self):
        self.check(self.held.slotted, self.held.target, ".slot")
        names = self.dumps[0].names(self.held.slots_and_dict, self.held.target)
        self.assertIn(".other", names)
        self.assertTrue(".extra" in names or "__dict__" in self.dumps[0].of(self.held.slots_and_dict)["edges"])

    def test_class(self):
        self.check(self.held.plain, Plain, "__class__")

    def test_mappings(self):
        self.check(self.held.table, self.held.target, "['key']", "[(1, 'a')]", "[2.5]", "[3]", "[<type>]", "[None]", "[b'b']")
        self.check(self.held.table, Plain, "key [<type>]")
        self.check(self.held.items, self.held.target, "['a']", "[7]", *([".attribute"] if self.dumps[0].names(self.held.items, self.held.target)[0] == ".attribute" else []))
        line = self.dumps[0].of(self.held.items)
        self.assertEqual(line["kinds"][line["edges"].index("[7]")], "v")
        self.check(self.held.ordered, self.held.target, "['a']")
        self.check(self.held.default, self.held.target, "['a']")
        self.check(self.held.default, list, "default_factory")

    def test_sequences_and_sets(self):
        self.check(self.held.list, self.held.target, "[1]", "[2]")
        self.check(self.held.tuple, self.held.target, "[0]")
        self.check(self.held.deque, self.held.target, "[1]")
        self.check(self.held.set, make_closure, "{}")
        self.check(self.held.frozen, make_closure, "{}")
        self.assertIn("[0]", self.dumps[0].names(self.held.sequence, self.held.target))
        self.check(self.held.named, self.held.target, ".right")

    def test_functions(self):
        self.check(self.held.closure, self.held.closure.__closure__, "__closure__")
        self.check(self.held.closure, self.held.closure.__code__, "__code__")
        self.check(self.held.closure, globals(), "__globals__")
        self.check(self.held.closure, self.held.closure.__defaults__, "__defaults__")
        self.check(self.held.closure, self.held.closure.__kwdefaults__, "__kwdefaults__")
        self.check(self.held.closure, self.held.closure.__dict__, "__dict__")
        self.check(self.held.closure.__closure__[0], self.held.target, "cell_contents")
        if sys.version_info < (3, 10):
            self.check(self.held.closure, self.held.closure.__annotations__, "__annotations__")
        self.assertEqual(self.dumps[0].of(self.held.closure)["name"], "make_closure.<locals>.closure")
        self.assertNotIn(None, self.dumps[0].of(self.held.closure)["edges"])

    def test_bound(self):
        self.check(self.held.method, self.held.plain, "__self__")
        self.check(self.held.method, Plain.__init__, "__func__")
        self.check(self.held.builtin, self.held.target, "__self__")
        self.check(self.held.partial, print, "func")
        self.check(self.held.partial, self.held.partial.args, "args")
        self.check(self.held.partial, self.held.partial.keywords, "keywords")
        self.check(self.held.property, make_closure, "fget")
        self.assertTrue(self.dumps[0].names(self.held.static, make_closure))
        self.assertTrue(self.dumps[0].names(self.held.class_method, make_closure))

    def test_generators_and_coroutines(self):
        for generator, frame in ((self.held.generator, "gi_frame"), (self.held.coroutine, "cr_frame")):
            if INLINE:
                self.check(generator, self.held.target, "%s.f_locals['held']" % frame)
            else:
                self.check(generator, getattr(generator, frame), frame)
                self.check(getattr(generator, frame), self.held.target, "f_locals['held']")
        self.assertTrue(any("cr_await" in names or "<stack>" in names
                            for names in [self.dumps[0].of(self.held.coroutine)["edges"]]) or not INLINE)

    def test_exceptions(self):
        traceback = self.held.error.__traceback__
        self.check(self.held.error, self.held.error.args, "args")
        self.check(self.held.error, traceback, "__traceback__")
        self.check(traceback, traceback.tb_next, "tb_next")
        self.check(traceback.tb_next, traceback.tb_next.tb_frame, "tb_frame")
        self.check(traceback.tb_next.tb_frame, self.held.target, "f_locals['held']")
        line = self.dumps[0].of(traceback.tb_next.tb_frame)
        self.assertRegex(line["value"], r"test_names\.py:\d+$")
        self.assertEqual(line["name"], "raise_with")

    def test_weak(self):
        self.check(self.held.weak, make_closure, "__callback__")
        for heap in self.dumps:
            self.assertEqual(heap.of(self.held.weak)["weak"], [id(self.held.weak_target)])
            self.assertNotIn(id(self.held.weak_target), heap.of(self.held.weak)["refs"])

    def test_types_and_modules(self):
        self.check(Plain, gc.get_referents(Plain.__dict__)[0], "__dict__")
        self.check(Plain, Plain.__mro__, "__mro__")
        self.check(int, int.__mro__, "__mro__")
        self.check(self.held.module, self.held.module.__dict__, "__dict__")
        self.check(self.held.module.__dict__, self.held.target, "['attribute']")
        self.assertEqual(self.dumps[0].of(self.held.module)["name"], "made_up")
        self.assertEqual(self.dumps[0].of(Plain)["name"], __name__ + ".Plain")

    def test_what_the_collector_is_not_told(self):
        self.check(self.held.range, self.held.range.stop, "stop")
        self.check(make_closure.__code__, make_closure.__code__.co_consts, "co_consts")
        self.check(self.held.iterator, self.held.list, "it_seq")
        self.check(self.held.proxy, self.held.table, "mapping")
        buffer = self.dumps[0].objects[self.dumps[0].of(self.held.view)["refs"][0]]
        self.assertIn(id(self.held.view.obj), buffer["refs"])

    def test_types_are_qualified(self):
        heap = self.dumps[0]
        for obj, name in ((self.held.plain, __name__ + ".Plain"), ({}, None), (self.held.deque, "collections.deque"), (self.held.list, "list"),
                          (self.held.ordered, "collections.OrderedDict")):
            if name is not None:
                self.assertEqual(heap.of(obj)["type"], name)

    def test_sizes_are_those_of_getsizeof(self):
        heap = self.dumps[-1]
        for obj in (self.held.slotted, self.held.list, self.held.tuple, self.held.table, self.held.closure, self.held.error, Plain, self.held.target[0]):
            self.assertEqual(heap.of(obj)["size"], sys.getsizeof(obj))


class Contents(unittest.TestCase):
    """What depends on packages that may not be there, or on the state of this process."""

    def test_a_buffer_is_counted_once(self):
        import mmap

        buffer = bytearray(500000)
        objects = [buffer, memoryview(buffer)[10:], array.array("d", bytes(400000)), mmap.mmap(-1, 4096)]
        bytes_of_all = 900000
        try:
            import numpy
        except ImportError:
            pass
        else:
            class Own(numpy.ndarray):
                pass

            owner = numpy.ones((100, 100))
            objects += [owner, owner[:10], owner[:10][2:], owner.view(Own), owner.T, owner.copy().reshape(10, 1000),
                        numpy.frombuffer(buffer, dtype="u1"), Own((100, 100)), numpy.zeros(10, dtype="O")]
            objects.append(objects[-4].base)  # what the copy was before it was reshaped
            bytes_of_all += 80000 + 80000 + 80000 + 80
        heap = captured()
        lines = [heap.of(obj) for obj in objects]
        # the objects themselves are small, beside what they hold
        self.assertAlmostEqual(sum(line["size"] + line.get("external", 0) for line in lines), bytes_of_all, delta=40000)
        for obj, line in zip(objects[4:], lines[4:]):
            self.assertEqual(line.get("external", 0), obj.nbytes if obj.flags.owndata else 0)
            self.assertLess(line["size"], 400)

    def test_numpy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not importable")
        target = ["held by an array"]
        objects = numpy.array([None, target], dtype=object)
        view = objects[:1]
        record = numpy.zeros(2, dtype=[("number", "i4"), ("thing", "O")])
        record["thing"][1] = target
        numbers = numpy.zeros(1000)
        part = numbers[10:20]
        heap = captured()
        self.assertEqual(heap.names(objects, target), ["[1]"])
        self.assertEqual(heap.names(record, target), ["['thing'][1]"])
        self.assertEqual(heap.names(view, objects), ["base"])
        self.assertEqual(heap.names(part, numbers), ["base"])
        self.assertEqual(heap.of(numbers)["external"], 8000)
        self.assertNotIn("external", heap.of(part))

    def test_pandas(self):
        try:
            import pandas
        except ImportError:
            self.skipTest("pandas is not importable")
        target = ["held by a frame"]
        frame = pandas.DataFrame({"column": [None, target]})
        heap = captured()
        holders = [line for line in heap.objects.values() if line["type"] == "numpy.ndarray" and id(target) in line["refs"]]
        self.assertTrue(holders)
        self.assertIn(id(frame), heap.objects)

    def test_greenlet(self):
        try:
            import greenlet
        except ImportError:
            self.skipTest("greenlet is not importable")

        def run(held):
            greenlet.getcurrent().parent.switch()

        target = ["held by a greenlet"]
        waiting = greenlet.greenlet(run)
        waiting.switch(target)
        heap = captured()
        self.assertEqual(heap.names(waiting, waiting.gr_frame), ["gr_frame"])
        self.assertIn("f_locals['held']", heap.names(waiting.gr_frame, target))
        waiting.switch()

    def test_contexts(self):
        variable = contextvars.ContextVar("setting")
        target = ["set in a context"]
        token = variable.set(target)
        heap = captured()
        self.assertEqual(heap.rooted("context").get("setting"), id(target))
        variable.reset(token)

    def test_arrays_of_the_standard_library(self):
        numbers = array.array("d", [0.0]) * 1000
        self.assertEqual(captured().types()["array.array"] > 0, True)
        self.assertEqual(len(numbers), 1000)


if __name__ == "__main__":
    unittest.main()
