"""The native core of the capture: describes what is common in a heap many times faster than `retainers.agent` alone.

`walk` stands in for `retainers.agent.walk` and writes the same objects and references. The agent goes on to describe what
is rare, and is asked once for each class and shape of object whether the native description is the same as its own; where
it is not, the class is left to the agent.

The core is an extension module that is linked to nothing, `native_core.so` beside this file: one for every CPython with a
global interpreter lock. Where there is none, or another one, `walk` is the agent's own.
"""

import gc
import sys

__all__ = ["available", "fork", "load", "reason", "walk"]

_VALUES, _SHARED, _REPORTS_DICTS = 1, 2, 4
_REFERS_TO_CLASS, _IS_PLAIN, _ASKS_SIZE, _IS_DESCRIPTOR = 1, 2, 4, 8
_HAS_GC = 1 << 14
#: Types that are laid out as a class, a name, and what is to be called.
_DESCRIPTORS = frozenset(["wrapper_descriptor", "method_descriptor", "getset_descriptor", "member_descriptor",
                          "classmethod_descriptor"])
#: The core's `walk`, or `None` where there is none for this interpreter, and its `fork`.
_core = _core_fork = None
#: Why there is no core.
_reason = None


def available():
    """Whether the native core runs in this interpreter."""
    return _core is not None


def reason():
    """Why there is no native core, in words; `None` where there is one."""
    return None if _core is not None else _reason


def load(path):
    """Takes the native core from the shared library at `path`; raises `ImportError` where it cannot be used."""
    if not _interpreter_is_known():
        raise ImportError("the native core does not know this interpreter: " + sys.version)
    import _imp

    global _core, _core_fork
    loaded = _imp.create_dynamic(_Specification("native_core", path))
    _core, _core_fork = loaded.walk, getattr(loaded, "fork", None)


def fork(marker):
    """Forks without the program's at-fork hooks, one of which `marker` is: `os.fork`, and what it returns.

    The import lock is held meanwhile, as the interpreter expects it of a fork; a child has it no longer."""
    import _imp

    _imp.acquire_lock()
    child = -1
    try:
        child = _core_fork(marker, gc.get_referrers, gc.unfreeze)
    finally:
        if child:
            _imp.release_lock()
    return child


def walk(capture, describer, write):
    """Writes a line for each object that `capture.objects` leads to: what `retainers.agent.walk` does, and its arguments.

    Returns `[objects, references, immortal]` as counts."""
    agent = type(describer).describe.__globals__
    # where every object has an allocation site, asking for it takes as long as describing it
    if _core is None or agent["_tracer"](capture) is not None:
        return agent["walk"](capture, describer, write)
    python, secrets = _Python(agent, capture, describer), capture.secrets
    counts = _core(
        capture.values * _VALUES | (not capture.forked) * _SHARED | capture.reports_dicts * _REPORTS_DICTS,
        sys.hexversion, agent["VALUE_LIMIT"], agent["KEY_LIMIT"], capture.objects, _Sample, ("a", "\xe9", "\u20ac", "\U0001f600"),
        secrets.texts, secrets.strings + secrets.blobs, tuple(secrets.addresses), tuple(capture.blocked), tuple(capture.held),
        tuple(agent["_immortals"]()), _bytes_writer(write), python.describe, python.plan, python.check, python.key, sys.getsizeof,
        describer.namespaces, capture.held)
    if counts is None:
        return agent["walk"](capture, describer, write)
    objects, references, immortal, _ = counts
    return [objects, references, immortal + python.immortal]


class _Sample:
    """A class written in Python, by which the core recognises others."""


class _Specification:
    """What `_imp` needs to know of an extension module."""

    def __init__(self, name, origin):
        self.name, self.origin = name, origin


class _Python:
    """The agent's half of a walk: what the core calls."""

    def __init__(self, agent, capture, describer):
        self.agent, self.describer = agent, describer
        self.blocked, self.held = capture.blocked, capture.held
        self.sizes = _empty_sizes(agent)
        #: Objects whose line says that they are immortal, of those that are described here.
        self.immortal = 0

    def plan(self, cls, obj):
        """What the core must know of a class: what its lines have between address and size, a size that all instances have
        (or empty ones, for built-in containers; -1 if they differ), and traits."""
        head, handler, is_leaf, sizeof = self.describer.plan(cls)
        prefix = head.encode("utf-8")
        size = self.sizes.get(id(cls))
        if size is not None:
            return prefix, size, 0
        if sizeof is not self.agent["_getsizeof"]:
            return prefix, -1, 0  # what the core asks would say something else
        is_plain = is_leaf and handler is self.agent["_nothing"]
        size_of, is_fixed = self._size_of(cls)
        if is_leaf and not is_plain or size_of is None or is_plain and not is_fixed:
            return prefix, -1, 0
        traits = _IS_PLAIN if is_plain else 0 if is_fixed else _ASKS_SIZE
        if self.agent["type_name"](cls) in _DESCRIPTORS:
            traits |= _IS_DESCRIPTOR
        if self.agent["_FLAGS"](cls) & _HAS_GC:
            traits |= _REFERS_TO_CLASS
        return prefix, sizeof(obj), traits

    def _size_of(self, cls):
        """What tells the size of an instance, and whether all have the same; `None` where that is code of the program."""
        for base in self.agent["_MRO"](cls):
            found = self.agent["_TYPE_DICT"](base).get("__sizeof__")
            if found is not None:
                if base is object or type(found) is not self.agent["_METHOD_DESCRIPTOR"]:
                    return object.__sizeof__, not _ITEMSIZE(cls)
                return found, False
        return None, False

    def describe(self, obj, count):
        """`(line, referents, number of references)` of an object with that reference count, -1 for an immortal one."""
        head, handler, is_leaf, sizeof = self.describer.plan(type(obj))
        addresses, edges, weak = [], "", None
        if is_leaf:
            targets, tail = [], handler(obj)
        else:
            targets, edges, tail, weak = handler(obj)
            addresses = list(map(id, targets))
            if not self.blocked.isdisjoint(addresses):
                targets, addresses, edges = self.agent["_without_own"](targets, edges, self.blocked, obj)
            edges = ',"edges":[%s]' % edges
        referents = list(targets)
        if weak:
            weak = [target for target in weak if id(target) not in self.blocked]
            tail += ',"weak":[%s]' % ",".join(map(str, map(id, weak)))
            referents += weak
        if count < 0:
            self.immortal += 1
            tail += ',"root":"immortal"'
        else:
            tail += ',"rc":%d' % (count - self.held.get(id(obj), 0))
        line = '{"address":%d%s%d,"refs":[%s]%s%s}\n' % (
            id(obj), head, sizeof(obj), ",".join(map(str, addresses)), edges, tail)
        return line.encode("utf-8"), referents, len(addresses)

    def check(self, obj, count, line):
        """`True` if a native line says what `describe` says, in whatever order; else what that returns."""
        before = self.immortal
        described = self.describe(obj, count)
        if described[0] == line or self._says_the_same(line, described[0]):
            self.immortal = before
            return True
        return described

    def _says_the_same(self, native, python):
        (head, edges, tail), (python_head, python_edges, python_tail) = self._parts(native), self._parts(python)
        if head != python_head or tail != python_tail or len(edges) != len(python_edges):
            return False
        # without a fork the agent may not look everything up, and leaves names open that the core can read
        for target, name in python_edges:
            known = (target, name) if name != "null" else next((edge for edge in edges if edge[0] == target), None)
            if known not in edges:
                return False
            edges.remove(known)
        return True

    def _parts(self, line):
        """What a line has before its references, `[(target, name)]`, and what it has behind them."""
        head, _, rest = line.decode("utf-8").partition(',"refs":[')
        refs, _, rest = rest.partition("]")
        targets = refs.split(",") if refs else []
        names = []
        if rest.startswith(',"edges":['):
            end = _end_of_array(rest, 10)
            names, rest = self.agent["_split_edges"](rest[10:end]), rest[end:]
        return head, list(zip(targets, names)), rest

    def key(self, obj):
        """`[key]` as the inside of a JSON string."""
        return self.describer.key_name(obj).encode("utf-8")


_ITEMSIZE = type.__dict__["__itemsize__"].__get__


def _empty_sizes(agent):
    """Bytes of an empty object of each built-in type whose sizes the core computes, by the address of the type."""
    size = sys.getsizeof
    header = size([]) - list.__basicsize__
    cell = agent["_CELL"]
    sizes = {int: 0, str: 0, float: size(0.0), bytes: size(b""), list: size([]), tuple: size(()), dict: dict.__basicsize__ + header,
             set: size(set()), frozenset: size(frozenset()), cell: cell.__basicsize__ + header}
    return {id(cls): found for cls, found in sizes.items()}


def _bytes_writer(write):
    """A function that takes bytes where `write` takes text."""
    if hasattr(write, "_put"):
        compress, put = write.compress, write._put
        return put if compress is None else lambda data: put(compress(data))
    return lambda data: write(data.decode("utf-8"))


def _end_of_array(text, at):
    """Where the array ends whose first item is at `at`: the place of its bracket."""
    while text[at] != "]":
        if text[at] == '"':
            at += 1
            while text[at] != '"':
                at += 2 if text[at] == "\\" else 1
        at += 1
    return at


def _interpreter_is_known():
    """A CPython of 64 bits with a global interpreter lock, whose objects have no more in front than they need."""
    return (sys.implementation.name == "cpython" and sys.maxsize > 1 << 32 and "t" not in getattr(sys, "abiflags", "")
            and not hasattr(sys, "getobjects") and (3, 8) <= sys.version_info[:2] <= (3, 15))


# looked for before any dump, so that what an import leaves behind is not taken for the program's
if _interpreter_is_known():
    try:
        from .native_core import fork as _core_fork, walk as _core
    except ImportError as error:  # not built for this platform, or this file was copied alone
        _reason = str(error)
else:
    _reason = "the native core does not know this interpreter: " + sys.version
