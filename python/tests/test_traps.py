"""Objects that run code whenever they are asked anything: the capture must not ask."""

import os
import unittest

from .heap import Directory, Heap, run

TRAPS = '''
import collections, os, sys, threading, types, weakref

def note(name):
    if ARMED[0]:
        file = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (name + "\\n").encode()); os.close(file)

ARMED = [False]
NAMES = """__getattribute__ __getattr__ __eq__ __ne__ __hash__ __repr__ __str__ __bool__ __len__ __iter__ __contains__ __getitem__
__sizeof__ __dir__ __format__ __bytes__ __fspath__ __index__ __int__ __float__ __call__ __enter__ __exit__ __reduce__ __reduce_ex__
__instancecheck__ __subclasscheck__ __get__ __set__ __delete__ __lt__ __le__ __gt__ __ge__ __next__ __length_hint__ __missing__
__setattr__ __delattr__ __copy__ __deepcopy__ __getstate__ keys items values get pop copy read name f_locals""".split()

def trap(name, base):
    def method(self, *args, **kwargs):
        note(name)
        if ARMED[0]:
            raise RuntimeError(name)
        found = getattr(base, name, None)
        if found is None: raise AttributeError(name)
        return found(self, *args, **kwargs)
    return method

class Lying:
    """A descriptor that says that it was asked."""
    def __init__(self, name): self.trapped = name
    def __get__(self, obj, cls):
        note("descriptor " + self.trapped)
        if ARMED[0]: raise RuntimeError(self.trapped)
        raise AttributeError(self.trapped)
    def __set__(self, obj, value): note("set " + self.trapped)

def trapped(name, *bases):
    namespace = {n: trap(n, bases[0] if bases else object) for n in NAMES
                 if not (n in ("keys", "items", "values", "get", "pop", "copy") and bases and bases[0] is not dict)}
    namespace["__class__"] = property(lambda self: note("__class__") or int)
    namespace["lazy"] = property(lambda self: note("lazy"))
    namespace["lying"] = Lying("lying")
    return type(name, bases, namespace)

class Meta(type):
    __name__ = property(lambda cls: note("Meta.__name__") or "liar")
    __module__ = property(lambda cls: note("Meta.__module__") or "liar")
for n in ("__getattribute__", "__eq__", "__hash__", "__repr__", "__instancecheck__", "__subclasscheck__", "__call__", "__dir__", "__len__", "__iter__", "__sizeof__"):
    setattr(Meta, n, trap(n, type))

Thing, Table, Row, Pair, Bag, Text, Number = (trapped("Thing"), trapped("Table", dict), trapped("Row", list), trapped("Pair", tuple),
                                               trapped("Bag", set), trapped("Text", str), trapped("Number", int))
Mod, Fault, Ordered = trapped("Mod", types.ModuleType), trapped("Fault", Exception), trapped("Ordered", collections.OrderedDict)
WithDictProperty = type("WithDictProperty", (), {"__dict__": property(lambda self: note("__dict__") or {}), "real": 1})
WithMeta = Meta("WithMeta", (), {"x": [1]})
Local = type("Local", (threading.local,), {"__init__": lambda self, *a: note("Local.__init__")})
class Slots:
    __slots__ = ("a", "unset")
    def __getattr__(self, name): note("Slots.__getattr__")
class BadSize:
    def __sizeof__(self): note("BadSize"); return 1
class OwnDict(dict):
    def __iter__(self): note("OwnDict.__iter__"); return iter(())
    def __len__(self): note("OwnDict.__len__"); return 3
    def items(self): note("OwnDict.items"); return ()
class Odd: pass
odd = Odd(); odd.__dict__ = OwnDict(a=1)
class Deleted:
    def __del__(self): note("__del__")

local = Local(1)
thing = Thing()
object.__setattr__(thing, "attribute", [1])
keep = [thing, Table(a=1), Row([1, 2]), Pair((1, 2)), Bag(), Text("text"), Number(7), Mod("mod"), Fault(1), Ordered(a=1), WithDictProperty(),
        WithMeta, type.__call__(WithMeta), local, Slots(), BadSize(), odd, Deleted()]
keep[14].a = thing
keys = {Text("key"): thing, Number(3): thing, thing: thing}
named = Odd(); named.__dict__[Text("subclass")] = thing
sys.modules["trap_module"] = keep[7]
sys.modules["trap_thing"] = thing
weak = weakref.WeakKeyDictionary()
proxy = weakref.proxy(thing)
ref = weakref.ref(thing, keep[0])
def function(argument): return thing
function.extra = thing
class Loader(dict):
    def __getitem__(self, key): note("globals.__getitem__"); return dict.__getitem__(self, key)
class Parameter:
    @property
    def __parameters__(self): note("__parameters__"); return ()
if hasattr(types, "GenericAlias"):
    alias = types.GenericAlias(list, (Parameter(),))
cycle = [Deleted()]; cycle.append(cycle); del cycle
sys.settrace(None)
def tracer(*args): note("trace") ; return tracer
'''

DUMP = '''
from retainers import agent
import gc
gc.disable()
before = [ARMED]
ARMED[0] = True
agent.dump(PATH, fork=%r, core=False, values=%r)
ARMED[0] = False
os._exit(0)
'''


class Traps(unittest.TestCase):
    def test_no_code_of_the_program_is_run(self):
        for fork in ([True, False] if hasattr(os, "fork") else [False]):
            for values in (True, False):
                with self.subTest(fork=fork, values=values), Directory() as directory:
                    path, notes = directory.join("heap.jsonl"), directory.join("notes")
                    run("PATH, NOTES = %r, %r\n" % (path, notes) + TRAPS + DUMP % (fork, values))
                    if os.path.exists(notes):
                        with open(notes) as file:
                            self.fail(sorted(set(file.read().split("\n"))))
                    with open(path, encoding="utf-8", newline="\n") as file:
                        heap = Heap(file.read())
                    types = heap.types()
                    for name in ("Thing", "Table", "Row", "Pair", "Bag", "Text", "Number", "Mod", "Fault", "Ordered", "Slots", "Odd"):
                        self.assertGreater(types["__main__." + name], 0, name)
                    self.assertEqual(sum(line["type"].endswith("WithMeta") for line in heap.objects.values()), 1)

    def test_the_traps_do_spring(self):
        """The test above could not fail otherwise."""
        with Directory() as directory:
            notes = directory.join("notes")
            run("NOTES = %r\n" % notes + TRAPS + '''
ARMED[0] = True
for ask in (repr, len, lambda o: o == 1, lambda o: isinstance(o, str), lambda o: o.lazy, hash, sys.getsizeof, dir, lambda o: list(o)):
    for obj in keep:
        try: ask(obj)
        except BaseException: pass
ARMED[0] = False
os._exit(0)
''')
            with open(notes) as file:
                sprung = set(file.read().split("\n"))
        for name in ("__repr__", "__len__", "__eq__", "__dict__", "__getattribute__", "__hash__", "__sizeof__", "BadSize"):
            self.assertIn(name, sprung)

    def test_trace_functions_do_not_see_the_capture(self):
        with Directory() as directory:
            notes = directory.join("notes")
            run("PATH, NOTES = %r, %r\n" % (directory.join("heap.jsonl"), notes) + '''
import os, sys
from retainers import agent
calls = []
def tracer(frame, event, argument):
    calls.append(frame.f_code.co_name)
sys.settrace(tracer)
agent.dump(PATH, fork=False, core=False)
assert sys.gettrace() is tracer
sys.settrace(None)
assert "walk" not in calls and "_walk_some" not in calls, calls
''')


if __name__ == "__main__":
    unittest.main()
