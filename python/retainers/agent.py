"""A heap dump of this process, in pure Python.

This file needs nothing but the standard library of CPython 3.8 or later, and can be copied anywhere by itself:

    import agent
    agent.dump("heap.jsonl.gz")

The format is that of `docs/heap-dump-format.md`. How it works, from `dump` downwards:

1. `Before`: what only the live process knows (frames of other threads, handled exceptions, thread-local dictionaries) is
   noted, then the process forks. The parent goes on; the child writes.
2. `Capture`: the child lists what the garbage collector tracks and adds modules, frames and other roots.
3. `walk`: each object becomes a line; what it refers to is walked in turn. A native core may take this step over.
4. `Describer`: what one object refers to, and by which names.

No code of the program is run: no property, no `__getattr__`, `__eq__`, `__hash__`, `__repr__`, no `isinstance`. Objects are
asked through the slots of built-in types only, and compared by identity. The fork is that of the native core, which runs no
hooks; `os.fork`, where there is no core, runs those of `os.register_at_fork`.
"""

import gc
import os
import sys
import time
from stat import S_ISFIFO, S_ISREG

try:
    # `python -X tracemalloc` traces without it, so that it may not be loaded; in the child it would be too late
    import _tracemalloc
except ImportError:
    _tracemalloc = None

__all__ = ["CaptureError", "Dump", "dump"]

# where this text is executed in a bare dictionary, its classes need a module of their own, by which they are left out
globals().setdefault("__name__", "retainers_agent")

FORMAT_VERSION = 1
#: Longest text of a value, in characters or bytes.
VALUE_LIMIT = 120
#: Longest key that is written into the name of a reference, in characters or bytes.
KEY_LIMIT = 80
#: Shortest environment value that hides what contains it, in characters; shorter ones hide what equals them.
SECRET_LENGTH = 8
#: Reference counts from here on are those of immortal objects (CPython 3.12 and later).
IMMORTAL = 1 << 28
#: Signals that a fault of the code raises: SIGILL, SIGTRAP, SIGABRT, SIGBUS (7 or 10), SIGFPE, SIGSEGV.
_FAULTS = (4, 5, 6, 7, 8, 10, 11)
#: Seconds after which a child that has written nothing more ends itself: it hangs.
STALLED = 300
#: Seconds that a child is given beyond the `timeout` that its parent waits for.
GRACE = 5
#: Calls that a capture may need: where the program has gone deeper than that leaves room for, the limit is raised meanwhile.
DEPTH = 300
#: Numbers of errors, the same on every Unix: nobody has the other end, a file of that name is there.
ENXIO, EEXIST = 6, 17
#: Names of keys that are remembered at most, so that a capture's own memory stays bounded.
CACHE_LIMIT = 1 << 17

#: The system's calls: those in `os` may be another's, such as `gevent`'s, which wait for more than they say.
_system = sys.modules.get("posix", os)
_get_referents = gc.get_referents
_getsizeof = sys.getsizeof
_getrefcount = sys.getrefcount

# Ways to ask built-in types without running anybody's code.
_type_mro = type.__dict__["__mro__"].__get__
_type_dict = type.__dict__["__dict__"].__get__
_FLAGS = type.__dict__["__flags__"].__get__
_QUALNAME = type.__dict__["__qualname__"].__get__
_MODULE = type.__dict__["__module__"].__get__
_DICTOFFSET = type.__dict__["__dictoffset__"].__get__
_HEAP_TYPE = 1 << 9
_MANAGED_DICT = 1 << 4


def _MRO(cls):
    """The classes that a class derives from, itself first; some types of C code were never made ready and have none."""
    return _type_mro(cls) or (cls, object)


def _has(mro, cls):
    """Whether a class is among others; `in` would ask the `__eq__` of their metaclasses."""
    for base in mro:
        if base is cls:
            return True
    return False


def _TYPE_DICT(cls):
    """The namespace of a class, read-only."""
    return _type_dict(cls) or {}


_HAS_GC = 1 << 14


class CaptureError(RuntimeError):
    """The dump could not be written; the message says why, in words of the capturing process."""


class Dump:
    """What was written: `path` (`None` for a file object), counts, bytes on disk, and seconds.

    `pause` is how long the program stood still: until the fork returned, or the whole capture without a fork.
    """

    __slots__ = ("path", "objects", "references", "roots", "bytes", "seconds", "pause")

    def __init__(self, path, counts, seconds, pause):
        self.path = path
        self.objects, self.references, self.roots, self.bytes = counts
        self.seconds = seconds
        self.pause = pause

    def __repr__(self):
        return "<Dump %s: %d objects, %d references, %d roots, %d bytes in %.2f s, paused %.0f ms>" % (
            self.path, self.objects, self.references, self.roots, self.bytes, self.seconds, self.pause * 1e3)


# --------------------------------------------------------------------------------------------------------------- text

_ESCAPES = {i: "\\u%04x" % i for i in range(32)}
_ESCAPES.update({34: '\\"', 92: "\\\\", 9: "\\t", 10: "\\n", 13: "\\r"})


def quote(text):
    """`text`, an exact `str`, as a JSON string; lone surrogates as escapes."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'
    text = text.translate(_ESCAPES)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = "".join(["\\u%04x" % ord(c) if "\ud800" <= c <= "\udfff" else c for c in text])
    return '"' + text + '"'


def type_name(cls):
    """Qualified name of a type: module, dot, qualified class name; types of `builtins` without it."""
    module, name = _MODULE(cls), _QUALNAME(cls)
    if type(module) is not str or module == "builtins":
        return name
    return module + "." + name


# --------------------------------------------------------------------------------------------------- describing objects

def _sample_types():
    """Built-in types that have no name in `builtins`, by their name."""
    def function():
        yield

    async def coroutine():
        pass

    async def asynchronous():
        yield

    running = coroutine()
    running.close()
    types = [type(o) for o in (
        running, function, function.__code__, function(), asynchronous(), [].append, [].__len__,
        (lambda: function).__closure__[0], _TYPE_DICT(type(function))["__globals__"], type.__dict__["__dict__"], type.__dict__,
        str.join, int.__add__, Dump.__init__.__get__(0), sys, sys._getframe())]
    return {type_name(cls): cls for cls in types}


_TYPES = _sample_types()
_FUNCTION = _TYPES["function"]
_CODE = _TYPES["code"]
_CELL = _TYPES["cell"]
_FRAME = _TYPES["frame"]
_MODULE_TYPE = _TYPES["module"]
_GETSET = _TYPES["getset_descriptor"]
_MEMBER = _TYPES["member_descriptor"]
_SLOT_WRAPPER = _TYPES["wrapper_descriptor"]
_METHOD_DESCRIPTOR = _TYPES["method_descriptor"]
_METHOD = _TYPES["method"]
_METHOD_SELF = _METHOD.__dict__["__self__"].__get__
_METHOD_FUNCTION = _METHOD.__dict__["__func__"].__get__
_CELL_CONTENTS = _CELL.__dict__["cell_contents"].__get__
_FUNCTION_DICT = _FUNCTION.__dict__["__dict__"].__get__
_CODE_NAME = "co_qualname" if "co_qualname" in _CODE.__dict__ else "co_name"
_MODULE_DICT = _MODULE_TYPE.__dict__["__dict__"].__get__
_CO_OPTIMIZED = 1
#: How the doc of the `__dict__` begins that the interpreter gives to classes; that getter runs no code of the program.
_DICT_DOC = "dictionary for instance variables"

#: Getters of the interpreter's own types that hand out what the object holds, and create nothing.
_GETTERS = {
    "function": ("__code__", "__defaults__", "__kwdefaults__", "__name__", "__qualname__"),
    "builtin_function_or_method": ("__self__",),
    "method-wrapper": ("__self__",),
    "BaseException": ("args", "__traceback__", "__context__", "__cause__"),
    "traceback": ("tb_frame", "tb_next"),
    "frame": ("f_back", "f_code", "f_globals", "f_builtins", "f_trace"),
    "generator": ("gi_code", "gi_yieldfrom", "__name__", "__qualname__"),
    "coroutine": ("cr_code", "cr_await", "cr_origin", "__name__", "__qualname__"),
    "async_generator": ("ag_code", "ag_await", "__name__", "__qualname__"),
    "weakref.ReferenceType": ("__callback__",),
    "weakref": ("__callback__",),
    "staticmethod": ("__func__",),
    "classmethod": ("__func__",),
    "property": ("__doc__",),
    "_asyncio.Future": ("_loop", "_result", "_exception", "_source_traceback", "_cancel_message"),
    "_asyncio.Task": ("_loop", "_result", "_exception", "_source_traceback", "_coro", "_fut_waiter", "_context"),
    "pandas._libs.internals.BlockManager": ("axes", "blocks"),
    "pandas._libs.internals.Block": ("values", "mgr_locs", "refs"),
    "numpy.ndarray": ("base", "dtype"),
    "types.GenericAlias": ("__origin__", "__args__"),
    "greenlet.greenlet": ("parent", "gr_context", "run"),
}
#: Types that hold one object which no getter hands out.
_ONLY = {
    "list_iterator": "it_seq", "list_reverseiterator": "it_seq", "tuple_iterator": "it_seq", "str_iterator": "it_seq",
    "str_ascii_iterator": "it_seq", "bytes_iterator": "it_seq", "dict_keyiterator": "di_dict", "dict_valueiterator": "di_dict",
    "dict_itemiterator": "di_dict", "set_iterator": "si_set", "dict_keys": "mapping", "dict_values": "mapping",
    "dict_items": "mapping", "mappingproxy": "mapping", "enumerate": "it", "reversed": "seq", "filter": "it",
    "async_generator_asend": "ags_gen", "memoryview": "obj", "managedbuffer": "obj", "coroutine_wrapper": "cw_coroutine", "wrapper_descriptor": "__objclass__",
    "method_descriptor": "__objclass__", "getset_descriptor": "__objclass__", "member_descriptor": "__objclass__",
    "classmethod_descriptor": "__objclass__", "property": "__name__",
    # asking for them makes them, by asking the arguments for theirs
    "types.UnionType": "__parameters__", "types.GenericAlias": "__parameters__",
    "_contextvars.Context": "ctx_vars", "contextvars.Context": "ctx_vars",
}
#: What types hold that the garbage collector is not told about.
_UNTRACKED = {
    "code": ("co_consts", "co_names", "co_filename", "co_name", "co_qualname", "co_linetable", "co_exceptiontable", "co_code",
             "co_lnotab", "co_varnames", "co_freevars", "co_cellvars"),
    "range": ("start", "stop", "step"),
}


def _dict_getter(mro):
    """The getter of the `__dict__` of instances, as the interpreter made it; `None` where there is none that is known to run
    no code of the program."""
    for cls in reversed(mro):
        found = _TYPE_DICT(cls).get("__dict__")
        if type(found) is _GETSET:
            doc = found.__doc__
            if type(doc) is str and doc.startswith(_DICT_DOC):
                return found
            if cls is BaseException or cls is _FUNCTION:
                return found
    return None


def _instance_value(obj, name):
    """The attribute `name` that the instance itself has; `None` where it has none, or where its class has a say in it."""
    for cls in _MRO(type(obj)):
        found = _TYPE_DICT(cls).get(name)
        if type(found) is _MEMBER:
            try:
                return found.__get__(obj)
            except AttributeError:
                return None
        if found is not None:
            return None
    try:
        return object.__getattribute__(obj, name)
    except AttributeError:
        return None


def _loaded(module, name):
    """The global `name` of a module that is loaded already; `None` without it. Never imports."""
    module = sys.modules.get(module)
    if type(module) is not _MODULE_TYPE:
        return None
    return _MODULE_DICT(module).get(name)


#: What `_real` has found, since asking may import, which a thread beside `gevent` must not.
_reals = {}


def _real(module, name):
    """A function of the interpreter's own; where `gevent` or `eventlet` has put another into its place, the one before: what
    waits for a child is a thread or nothing."""
    found = _reals.get(name)
    if found is None:
        found = _loaded(module, name)
        if type(found) is not type(len):
            gevent, eventlet = _loaded("gevent.monkey", "get_original"), _loaded("eventlet.patcher", "original")
            if gevent is not None:
                found = gevent(module, name)
            elif eventlet is not None:
                found = _MODULE_DICT(eventlet(module)).get(name, found)
        _reals[name] = found
    return found


def prepare():
    """Imports and finds now what a capture needs later: then memory may be short, or the import of another be interrupted."""
    import select  # noqa: F401

    for module, name in (("_thread", "allocate_lock"), ("_thread", "start_new_thread"), ("_thread", "get_ident"),
                         ("select", "poll")):
        _real(module, name)


class Expected:
    """What an object is expected to refer to: the names for its references, found by identity.

    `likely` names a reference if the garbage collector reports it; `certain` adds one that it does not report.
    """

    __slots__ = ("values", "names", "is_certain")

    def __init__(self):
        self.values = []
        self.names = []
        self.is_certain = []

    def likely(self, value, name):
        self.values.append(value)
        self.names.append(name)
        self.is_certain.append(False)

    def certain(self, value, name):
        self.values.append(value)
        self.names.append(name)
        self.is_certain.append(True)

    def match(self, referents, fallback):
        """All references and their names (JSON texts): the reported ones, then the certain ones that were not reported.

        Each name is used once, so that an object held twice has both its names. `fallback(referent)` names the rest."""
        waiting = {}
        values, names = self.values, self.names
        for place in range(len(values) - 1, -1, -1):
            waiting.setdefault(id(values[place]), []).append(place)
        used = bytearray(len(values))
        targets, edges = list(referents), []
        for referent in referents:
            places = waiting.get(id(referent))
            if places:
                place = places.pop()
                used[place] = 1
                edges.append(names[place])
            else:
                edges.append(fallback(referent, waiting, used, names))
        for place, is_certain in enumerate(self.is_certain):
            if is_certain and not used[place]:
                targets.append(values[place])
                edges.append(names[place])
        return targets, edges


class Describer:
    """Says of one object what it is and what it refers to.

    `describe` is the whole interface: the walk below calls it for each object, a native core for the types that it does
    not know itself, so that both write the same objects and references.
    """

    def __init__(self, capture):
        self.values = capture.values
        self.forked = capture.forked
        self.objects = capture.objects
        self.is_older = capture.is_older
        self.thread_dicts = capture.thread_dicts
        self.module_names = capture.module_names
        self.held = capture.held
        self.unseen = capture.unseen
        self.secrets = capture.secrets
        #: Addresses of dictionaries of attributes, whose keys are names rather than data; noted as their owners are met.
        self.namespaces = set(capture.namespaces)
        #: How many objects were marked as immortal here, rather than by their reference count.
        self.immortals = 0
        self.plans = {}
        self.keys = {}
        self.reports_dicts = capture.reports_dicts
        self.exact = self._exact_types()
        self.contents = self._content_types()

    def describe(self, obj):
        """`(type, size, targets, edges, tail, weak)` of an object.

        `type` is the JSON text `,"type":"…","size":`; `size` bytes, the header of the garbage collector included; `targets` the objects that it
        holds, as often as it does; `edges` their names, JSON strings or `null` joined by commas; `tail` further keys of the
        line, each with a comma in front; `weak` objects that it refers to without holding them, or `None`."""
        head, handler, is_leaf, sizeof = self.plan(type(obj))
        if is_leaf:
            return head, sizeof(obj), (), "", handler(obj), None
        targets, edges, tail, weak = handler(obj)
        return head, sizeof(obj), targets, edges, tail, weak

    def plan(self, cls):
        """`(head, handler, is_leaf, sizeof)` for the instances of a type; `head` is the text `,"type":"…","size":`."""
        plan = self.plans.get(id(cls))
        if plan is None:
            plan = self.plans[id(cls)] = self._plan(cls)
        return plan

    # -- plans -------------------------------------------------------------------------------------------------------

    def _exact_types(self):
        leaf, inner = True, False
        table = {
            int: (self.of_int, leaf), float: (self.of_float, leaf), complex: (self.of_complex, leaf), bool: (self.of_bool, leaf),
            str: (self.of_str, leaf), bytes: (self.of_bytes, leaf), bytearray: (self.of_bytearray, leaf),
            type(None): (_nothing, leaf), type(...): (_nothing, leaf), type(NotImplemented): (_nothing, leaf),
            list: (self.of_list, inner), tuple: (self.of_tuple, inner), dict: (self.of_dict, inner), set: (self.of_set, inner),
            frozenset: (self.of_set, inner), _CELL: (self.of_cell, inner),
        }
        return {id(cls): entry for cls, entry in table.items()}

    def _content_types(self):
        table = {
            list: self.items, tuple: self.items_of_tuple, dict: self.entries, set: self.members_of_set, frozenset: self.members_of_set,
            type: self.parts_of_type, _FUNCTION: self.parts_of_function, _FRAME: self.parts_of_frame,
            _MODULE_TYPE: self.parts_of_module, _TYPES["generator"]: self.locals_of_generator("gi_frame"),
            _TYPES["coroutine"]: self.locals_of_generator("cr_frame"),
            _TYPES["async_generator"]: self.locals_of_generator("ag_frame"),
        }
        found = {id(cls): content for cls, content in table.items()}
        for module, name, content in (
                ("_weakref", "ReferenceType", None), ("_collections", "deque", self.items_of_deque),
                ("_thread", "_local", self.dicts_of_threads), ("numpy", "ndarray", self.items_of_array),
                ("functools", "_lru_cache_wrapper", self.cache), ("_asyncio", "Future", self.callbacks),
                ("_greenlet", "greenlet", self.frame_of_greenlet), ("greenlet._greenlet", "greenlet", self.frame_of_greenlet)):
            cls = _loaded(module, name)
            if cls is not None and content is not None:
                found[id(cls)] = content
        return found

    def _plan(self, cls):
        name = ',"type":%s,"size":' % quote(type_name(cls))
        exact = self.exact.get(id(cls))
        if exact is not None:
            return name, exact[0], exact[1], _getsizeof
        mro = _MRO(cls)
        sizeof = _safe_sizeof(mro)
        array = _loaded("numpy", "ndarray")
        if array is not None and _has(mro, array):
            sizeof = _size_without_buffer(array, sizeof)
        if not _FLAGS(cls) & _HAS_GC and not self._holds_untracked(cls, mro):
            return name, _nothing, True, sizeof
        if self._is_plain(mro):
            handler = self.plain_instance(cls, _dict_getter(mro))
        else:
            handler = self.any_instance(cls, mro)
        return name, handler, False, sizeof

    def _holds_untracked(self, cls, mro):
        return type_name(cls) in _UNTRACKED or any(id(base) in self.contents for base in mro)

    def _is_plain(self, mro):
        """Whether instances have attributes in a `__dict__` and nothing else, and whether that may be looked at."""
        if not self.forked or mro[-1] is not object or _dict_getter(mro) is None or not self.reports_dicts:
            return False
        for cls in mro[:-1]:
            if not _FLAGS(cls) & _HEAP_TYPE or _TYPE_DICT(cls).get("__slots__", ()) != ():
                return False
        return not _has(mro, type) and not any(id(base) in self.contents for base in mro) and _written_in_python(mro)

    def _hold(self, descriptor):
        """Notes that the capture itself holds this descriptor from now on."""
        self.held[id(descriptor)] = self.held.get(id(descriptor), 0) + 1
        return descriptor.__get__

    # -- leaves ------------------------------------------------------------------------------------------------------

    def of_int(self, obj):
        if not self.values:
            return ""
        if -(1 << 53) <= obj <= 1 << 53:
            return ',"value":%d' % obj
        return ',"value":"%s"' % _int_text(obj)

    def of_float(self, obj):
        return ',"value":"%r"' % obj if self.values else ""

    of_complex = of_float

    def of_bool(self, obj):
        return ',"value":"%r"' % obj if self.values else ""

    def of_str(self, obj):
        size = len(obj)
        if not self.values or self.secrets.hide(obj):
            return ',"len":%d' % size
        return ',"len":%d,"value":%s' % (size, quote(obj if size <= VALUE_LIMIT else obj[:VALUE_LIMIT]))

    def of_bytes(self, obj):
        size = len(obj)
        if not self.values or self.secrets.hide(obj):
            return ',"len":%d' % size
        return ',"len":%d,"value":%s' % (size, quote(obj[:VALUE_LIMIT].decode("latin-1")))

    def of_bytearray(self, obj):
        return ',"len":%d' % len(obj)

    # -- built-in containers -----------------------------------------------------------------------------------------

    def of_list(self, obj):
        targets = obj[:]
        return targets, _indices(len(targets)), ',"len":%d' % len(targets), None

    def of_tuple(self, obj):
        return obj, _indices(len(obj)), ',"len":%d' % len(obj), None

    def of_set(self, obj):
        targets = [*obj]
        return targets, ",".join(['"{}"'] * len(targets)), ',"len":%d' % len(targets), None

    def of_dict(self, obj):
        values = [*obj.values()]
        keys = [*obj]
        size = len(keys)
        if not size:
            return (), "", ',"len":0', None
        while len(values) != size:  # another thread came in between
            values, keys = [*obj.values()], [*obj]
            size = len(keys)
        names = self.key_names(keys, id(obj))
        edges = '"' + '","'.join(names) + '","key ' + '","key '.join(names) + '"'
        return values + keys, edges, ',"len":%d' % size, None

    def of_cell(self, obj):
        try:
            return (_CELL_CONTENTS(obj),), '"cell_contents"', "", None
        except ValueError:
            return (), "", "", None

    # -- names of keys -----------------------------------------------------------------------------------------------

    def key_names(self, keys, owner):
        """`[key]` for each key, as the inside of a JSON string; data is hidden where no values may be written."""
        if not self.values and owner not in self.namespaces:
            return ["[<%s>]" % quote(type_name(type(key)))[1:-1] for key in keys]
        known = self.keys
        names = []
        for key in keys:
            name = known.get(id(key))
            if name is None:
                name = self.key_name(key)
                if len(known) < CACHE_LIMIT:
                    known[id(key)] = name
            names.append(name)
        return names

    def key_name(self, key):
        """`[key]` as the inside of a JSON string."""
        text = self._key_text(key, 4)
        if text is None:
            text = "<" + type_name(type(key)) + ">"
        return quote("[" + text + "]")[1:-1]

    def _key_text(self, key, depth):
        """`repr(key)` for short keys of exact built-in types, else `None`."""
        cls = type(key)
        if cls is str or cls is bytes:
            if len(key) > KEY_LIMIT or self.secrets.hide(key):
                return None
            return repr(key)
        if cls is int:
            return repr(key) if key.bit_length() <= 256 else None
        if cls is bool or cls is float or cls is complex or key is None or key is ...:
            return repr(key)
        if (cls is tuple or cls is frozenset) and depth and len(key) <= 4:
            texts = [self._key_text(part, depth - 1) for part in key]
            if None in texts:
                return None
            if cls is frozenset:
                return "frozenset({%s})" % ", ".join(texts) if texts else "frozenset()"
            return "(%s,)" % texts[0] if len(texts) == 1 else "(%s)" % ", ".join(texts)
        return None

    def attribute(self, name):
        """`.name` as a JSON string."""
        if type(name) is not str:
            return '"' + self.key_name(name) + '"'
        return '".<str>"' if self.secrets.are_within(name) else quote("." + name[:KEY_LIMIT])

    # -- instances ---------------------------------------------------------------------------------------------------

    def plain_instance(self, cls, getter):
        """A handler for instances that have a `__dict__` and nothing else; only in a forked child, since it makes one."""
        get_dict = self._hold(getter)
        by_keys, attribute, class_id = {}, self.attribute, id(cls)
        general = self.any_instance(cls, _MRO(cls))
        namespaces = None if self.values else self.namespaces

        def handler(obj):
            referents = _get_referents(obj)
            attributes = get_dict(obj)
            count = len(referents)
            if count == 2 and (referents[0] is attributes or referents[1] is attributes):
                if namespaces is not None:
                    namespaces.add(id(attributes))
                if id(referents[1]) == class_id:
                    return referents, '"__dict__","__class__"', "", None
            elif type(attributes) is dict and count == len(attributes) + 1 and id(referents[-1]) == class_id:
                try:
                    shape = "\0".join(attributes)
                except TypeError:
                    return general(obj)
                edges = by_keys.get(shape)
                if edges is None:
                    edges = ",".join([attribute(name) for name in attributes] + ['"__class__"'])
                    if len(by_keys) < 1000:
                        by_keys[shape] = edges
                return [*attributes.values(), referents[-1]], edges, "", None
            return general(obj)

        return handler

    def any_instance(self, cls, mro):
        """A handler for instances of any type: what it holds is named by identity, through built-in slots only."""
        contents = [self.contents[id(base)] for base in mro if id(base) in self.contents][:1]
        getters = self._getters(mro)
        name = type_name(cls)
        untracked = [(self._hold(_TYPE_DICT(cls)[part]), quote(part)) for part in _UNTRACKED.get(name, ())
                     if type(_TYPE_DICT(cls).get(part)) is _MEMBER]
        read_dict = self._dict_reader(cls, mro)
        only = _ONLY.get(name)
        is_mapping = _has(mro, dict)
        is_frame = cls is _FRAME or name in ("generator", "coroutine", "async_generator")
        is_weak = any(type_name(base) in ("weakref.ReferenceType", "weakref") for base in mro)
        if name in ("weakref.ProxyType", "weakproxy", "weakref.CallableProxyType", "weakcallableproxy"):
            getters, read_dict = [], None
        class_id = id(cls)
        tail_of = self._tail(cls, mro, name)

        def rest(referent, waiting, used, names):
            if id(referent) == class_id:
                return '"__class__"'
            if is_frame:
                return _name_in_frame(referent, waiting, used, names)
            return "null"

        def handler(obj):
            referents = _get_referents(obj)
            expected = Expected()
            for content in contents:
                content(obj, expected, referents)
            for get, label in getters:
                try:
                    expected.likely(get(obj), label)
                except (AttributeError, ValueError, TypeError):
                    pass
            for get, label in untracked:
                expected.certain(get(obj), label)
            if read_dict is not None:
                read_dict(obj, expected, referents)
            targets, edges = expected.match(referents, rest)
            if "null" in edges:
                _name_the_only_one(targets, edges, only)
            tail = tail_of(obj)
            if is_mapping:
                tail += ',"kinds":"%s"' % "".join([_letter(edge) for edge in edges])
            weak = None
            if is_weak:
                target = _WEAK_TARGET(obj)
                weak = None if target is None else [target]
            return targets, ",".join(edges), tail, weak

        return handler

    def _getters(self, mro):
        """`(getter, name)` of the slots and members of a type, and of what built-in types hand out without making it."""
        found = []
        for cls in mro:
            namespace = _TYPE_DICT(cls)
            is_python = "__slots__" in namespace
            for name, value in list(namespace.items()):
                if type(value) is _MEMBER and type(name) is str and not name.endswith("offset__"):
                    found.append((self._hold(value), self.attribute(name) if is_python else quote(name)))
            for name in _GETTERS.get(type_name(cls), ()):
                value = namespace.get(name)
                if type(value) is _GETSET:
                    found.append((self._hold(value), quote(name)))
        # an absent member reads as None, and so would take the name of a None that is there: most often a missing docstring
        found.sort(key=lambda pair: pair[1] != '"__doc__"')
        return found

    def _dict_reader(self, cls, mro):
        """A function that tells what the `__dict__` of an instance holds, or `None` where there is none to look at."""
        if _has(mro, type) or _has(mro, _MODULE_TYPE) or cls is _FUNCTION or not _DICTOFFSET(cls):
            return None
        if any(type_name(base) == "_thread._local" for base in mro):
            return None  # asking for its `__dict__` makes one for this thread, by the program's own `__init__`
        getter = _dict_getter(mro)
        if getter is None:
            return None
        get_dict = self._hold(getter)
        if self.forked and self.reports_dicts:
            return lambda obj, expected, referents: self._read_dict(get_dict(obj), False, expected, referents)
        if self.forked:
            return lambda obj, expected, referents: self._read_dict(*_dict_and_age(get_dict, obj), expected, referents)
        names = _attribute_names(mro)

        def read_names(obj, expected, referents):
            if any(type(referent) is dict for referent in referents):
                found = [(name, _instance_value(obj, name)) for name in names]
                values = {id(value) for _, value in found}
                # all that is there came from a dictionary which exists already, unless it is itself an attribute's value
                for referent in referents:
                    if type(referent) is dict and id(referent) not in values:
                        expected.likely(referent, '"__dict__"')
                        self.namespaces.add(id(referent))
                        return
            for name in names:
                value = _instance_value(obj, name)
                if value is not None or any(referent is None for referent in referents):
                    expected.likely(value, self.attribute(name))

        return read_names

    def _read_dict(self, attributes, is_unreported, expected, referents):
        exists = any(referent is attributes for referent in referents)
        if type(attributes) is not dict:
            if exists:
                expected.likely(attributes, '"__dict__"')
            return
        if is_unreported and not exists:
            # early 3.13 reports the values of the dictionary as the instance's own, which holds them through it
            self.namespaces.add(id(attributes))
            expected.certain(attributes, '"__dict__"')
            for name, value in attributes.items():
                expected.likely(value, self.attribute(name))
            return
        if exists:
            self.namespaces.add(id(attributes))
            expected.likely(attributes, '"__dict__"')
            return
        for name, value in list(attributes.items()):
            expected.likely(value, self.attribute(name))

    def _tail(self, cls, mro, name):
        """A function that gives further keys of the line: names, lengths, places."""
        if _has(mro, type):
            return lambda obj: ',"name":%s%s' % (
                quote(type_name(obj)), "" if _FLAGS(obj) & _HEAP_TYPE else self._immortal())
        if _has(mro, _MODULE_TYPE):
            return self._module_tail
        if cls is _FRAME:
            return self._frame_tail
        namer = {"function": "__qualname__", "builtin_function_or_method": "__qualname__", "generator": "__qualname__",
                 "coroutine": "__qualname__", "async_generator": "__qualname__", "code": _CODE_NAME,
                 "_contextvars.ContextVar": "name", "contextvars.ContextVar": "name", "ContextVar": "name",
                 "wrapper_descriptor": "__name__", "method_descriptor": "__name__", "getset_descriptor": "__name__",
                 "member_descriptor": "__name__", "classmethod_descriptor": "__name__"}.get(name)
        if namer is not None:
            found = _TYPE_DICT(cls).get(namer)
            if type(found) is _MEMBER or type(found) is _GETSET:
                return _named_by(self._hold(found), self.secrets)
        if name == "_asyncio.Task":
            return _named_by(_TYPE_DICT(cls)["get_name"].__get__, self.secrets, True)
        for base, length in ((list, list.__len__), (tuple, tuple.__len__), (dict, dict.__len__), (set, set.__len__),
                             (frozenset, frozenset.__len__), (str, str.__len__), (bytes, bytes.__len__)):
            if _has(mro, base):
                return lambda obj: ',"len":%d' % length(obj)
        deque = _loaded("_collections", "deque")
        if deque is not None and _has(mro, deque):
            length_of_deque = _TYPE_DICT(deque)["__len__"]
            return lambda obj: ',"len":%d' % length_of_deque(obj)
        array = _loaded("numpy", "ndarray")
        if array is not None and _has(mro, array):
            return _array_tail(array)
        return _nothing

    def _immortal(self):
        """Marks a type of the interpreter itself; from 3.12 on its reference count says so."""
        if sys.version_info >= (3, 12):
            return ""
        self.immortals += 1
        return ',"root":"immortal"'

    def _module_tail(self, obj):
        name = self.module_names.get(id(obj))
        if name is None:
            name = _MODULE_DICT(obj).get("__name__")
        return ',"name":%s' % quote(name) if type(name) is str else ""

    def _frame_tail(self, obj):
        code = obj.f_code
        tail = ',"name":%s' % quote(getattr(code, _CODE_NAME))
        return tail + ',"value":%s' % quote(_place(obj)) if self.values else tail

    # -- contents of built-in types, and of what is derived from them -----------------------------------------------------

    def items(self, obj, expected, referents):
        for place, value in enumerate(list.copy(obj)):
            expected.likely(value, '"[%d]"' % place)

    def items_of_tuple(self, obj, expected, referents):
        names = ()
        for cls in _MRO(type(obj)):
            fields = _TYPE_DICT(cls).get("_fields", _TYPE_DICT(cls).get("__match_args__"))
            if type(fields) is tuple and all(type(name) is str for name in fields):
                names = fields
                break
        for place, value in enumerate(tuple.__iter__(obj)):
            expected.likely(value, self.attribute(names[place]) if place < len(names) else '"[%d]"' % place)

    def items_of_deque(self, obj, expected, referents):
        iterate = _TYPE_DICT(_loaded("_collections", "deque"))["__iter__"]
        for place, value in enumerate([*iterate(obj)]):
            expected.likely(value, '"[%d]"' % place)

    def entries(self, obj, expected, referents):
        keys, values = [*dict.keys(obj)], [*dict.values(obj)]
        names = self.key_names(keys, id(obj))
        for name, value in zip(names, values):
            expected.certain(value, '"%s"' % name)
        for name, key in zip(names, keys):
            expected.certain(key, '"key %s"' % name)

    def members_of_set(self, obj, expected, referents):
        for value in referents:
            if id(value) != id(type(obj)):
                expected.likely(value, '"{}"')

    def parts_of_type(self, obj, expected, referents):
        certain = expected.likely if referents else expected.certain
        proxy = _type_dict(obj)
        if proxy is None:
            return
        namespace = _get_referents(proxy)[0]
        self.namespaces.add(id(namespace))
        certain(namespace, '"__dict__"')
        certain(_MRO(obj), '"__mro__"')
        certain(_BASES(obj), '"__bases__"')
        base = _BASE(obj)
        if base is not None:
            certain(base, '"__base__"')
        for referent in referents:
            if type(referent) is _MODULE_TYPE:
                expected.likely(referent, '"ht_module"')
        if _FLAGS(obj) & _HEAP_TYPE:
            expected.certain(_QUALNAME(obj), '"__qualname__"')

    def parts_of_function(self, obj, expected, referents):
        """`__dict__` and `__annotations__` are told apart by where the collector reports them: asking makes them, which only
        the child may do."""
        places = [place for place, referent in enumerate(referents) if type(referent) is dict]
        places = [place for place in places if referents[place] is not obj.__globals__ and referents[place] is not obj.__kwdefaults__
                  and referents[place] is not getattr(obj, "__builtins__", None) and not _is_builtins(referents[place])]
        closure = obj.__closure__
        after = next((place for place, referent in enumerate(referents) if closure is not None and referent is closure), None)
        for order, place in enumerate(places):
            namespace = referents[place]
            if self.forked:
                is_dict = namespace is _FUNCTION_DICT(obj)
            elif after is not None:
                is_dict = place < after
            elif len(places) > 1:
                is_dict = order == 0
            else:
                is_dict = "__wrapped__" in namespace or not _like_annotations(namespace, obj, self.forked)
            expected.likely(namespace, '"__dict__"' if is_dict else '"__annotations__"')
            if is_dict:
                self.namespaces.add(id(namespace))
        for referent in referents:
            if type(referent) is tuple and referent is not closure and referent is not obj.__defaults__:
                expected.likely(referent, '"__annotations__"')

    def parts_of_module(self, obj, expected, referents):
        namespace = _MODULE_DICT(obj)
        self.namespaces.add(id(namespace))
        expected.likely(namespace, '"__dict__"')
        if self.module_names.get(id(obj)) == "atexit":
            for referent in referents:
                expected.likely(referent, '"callbacks[…]"')

    def parts_of_frame(self, obj, expected, referents):
        code = obj.f_code
        is_bare = not any(referent is code for referent in referents)
        certain = expected.certain if is_bare else expected.likely
        for name, value in self.frame_locals(obj, referents, expected):
            expected.certain(value, quote("f_locals[%r]" % name))
        certain(obj.f_globals, '"f_globals"')
        certain(code, '"f_code"')
        certain(obj.f_builtins, '"f_builtins"')

    def frame_locals(self, frame, referents, expected=None):
        """`(name, value)` of the local variables of a frame. CPython to 3.12 makes a dictionary of them and keeps it in the
        frame, where it would hold them: it is emptied again, unless the program had made it before."""
        code = frame.f_code
        if not code.co_flags & _CO_OPTIMIZED:
            namespace = frame.f_locals
            if namespace is not frame.f_globals and expected is not None:
                expected.likely(namespace, '"f_locals"')
                if type(namespace) is dict:
                    self.namespaces.add(id(namespace))
            return []
        namespace = frame.f_locals
        if type(namespace) is not dict:
            return [*namespace.items()]
        found = [*namespace.items()]
        if self.is_older(namespace) or any(referent is namespace for referent in referents):
            if expected is not None:
                expected.certain(namespace, '"f_locals"')
        else:
            namespace.clear()
        return found

    def locals_of_generator(self, attribute):
        def content(obj, expected, referents):
            frame = getattr(obj, attribute)
            if frame is None:
                return
            if any(referent is frame for referent in referents):
                expected.likely(frame, quote(attribute))
                return
            for name, value in self.frame_locals(frame, referents):
                expected.likely(value, quote("%s.f_locals[%r]" % (attribute, name)))

        return content

    def dicts_of_threads(self, obj, expected, referents):
        """The dictionaries of a `threading.local`, one for each thread, as they were before the fork took the threads away."""
        for place in self.thread_dicts.get(id(obj), ()):
            self.namespaces.add(id(self.objects[place]))
            expected.certain(self.objects[place], '"__dict__"')
        for referent in referents:
            if type(referent) is dict:
                expected.likely(referent, '"dummies"')

    def cache(self, obj, expected, referents):
        """Results of `functools.lru_cache` are reported with their keys; its own `__dict__` is the last dictionary."""
        dicts = [referent for referent in referents if type(referent) is dict]
        if len(dicts) > 1:
            expected.likely(dicts[-1], '"__dict__"')
            self.namespaces.add(id(dicts[-1]))
        wrapped = _instance_value(obj, "__wrapped__")
        if wrapped is not None:
            expected.likely(wrapped, '"func"')
        for referent in referents:
            if type(referent) is dict:
                expected.likely(referent, '"cache"')
            elif id(referent) != id(type(obj)):
                expected.likely(referent, '"cache[…]"')

    def callbacks(self, obj, expected, referents):
        """Callbacks of a future, which are handed out in new tuples."""
        found = _TYPE_DICT(_loaded("_asyncio", "Future"))["_callbacks"].__get__(obj)
        if type(found) is not list:
            return
        for place, entry in enumerate(found):
            parts = entry if type(entry) is tuple else (entry,)
            for part, value in enumerate(parts):
                expected.likely(value, '"_callbacks[%d][%d]"' % (place, part))

    def frame_of_greenlet(self, obj, expected, referents):
        frame = _TYPE_DICT(_MRO(type(obj))[-2])["gr_frame"].__get__(obj)
        if frame is not None:
            expected.certain(frame, '"gr_frame"')

    def items_of_array(self, obj, expected, referents):
        """What an array holds that the collector is not told about: its owner, and objects in it."""
        array = _TYPE_DICT(_loaded("numpy", "ndarray"))
        base = array["base"].__get__(obj)
        if base is not None:
            expected.certain(base, '"base"')
        dtype = array["dtype"].__get__(obj)
        expected.certain(dtype, '"dtype"')
        if not dtype.hasobject or base is not None:
            return
        for name, column in _object_columns(array, obj, dtype):
            for place, value in enumerate(array["flat"].__get__(column)):
                expected.certain(value, quote("%s[%d]" % (name, place)))


_BASES = type.__dict__["__bases__"].__get__
_BASE = type.__dict__["__base__"].__get__
_WEAK_TARGET = _loaded("_weakref", "ReferenceType")
if _WEAK_TARGET is None:
    import _weakref

    _WEAK_TARGET = _weakref.ReferenceType
_WEAK_TARGET = _TYPE_DICT(_WEAK_TARGET)["__call__"]


def _nothing(obj):
    return ""


def _dict_and_age(get_dict, obj):
    """The `__dict__` of an instance, and whether it was there before it was asked for: a new one is made where the last
    dictionary went away."""
    address = id({})
    attributes = get_dict(obj)
    return attributes, id(attributes) != address


def _int_text(value):
    return "%#x" % value if value.bit_length() <= 256 else "%d bits" % value.bit_length()


_INDEX_NAMES = [""]


def _indices(count):
    """`"[0]","[1]",…` for that many items."""
    if count < 256:
        while len(_INDEX_NAMES) <= count:
            last = len(_INDEX_NAMES) - 1
            _INDEX_NAMES.append('"[0]"' if not last else _INDEX_NAMES[-1] + ',"[%d]"' % last)
        return _INDEX_NAMES[count]
    return '"' + '","'.join(["[%d]" % place for place in range(count)]) + '"'


def _letter(edge):
    """The kind of a reference of a mapping, as a letter."""
    if edge == "null":
        return "?"
    if edge == '"__dict__"':
        return "d"
    if edge.startswith('"['):
        return "v"
    return "k" if edge.startswith('"key [') else "a"


def _safe_sizeof(mro):
    """`sys.getsizeof`, or what stands in for it where the class has its own `__sizeof__` in Python."""
    for cls in mro:
        found = _TYPE_DICT(cls).get("__sizeof__")
        if found is not None:
            if type(found) is _METHOD_DESCRIPTOR:
                return _getsizeof
            break
    header = _getsizeof(Expected()) - object.__sizeof__(Expected()) if _FLAGS(mro[0]) & _HAS_GC else 0
    return lambda obj: object.__sizeof__(obj) + header


def _written_in_python(mro):
    """Whether all classes but `object` are made by a `class` statement: those have a `__module__` and no C members."""
    return all("__module__" in _TYPE_DICT(cls) and not any(type(value) is _MEMBER for value in list(_TYPE_DICT(cls).values()))
               for cls in mro[:-1])


def _attribute_names(mro):
    """Names that instances may have: what the functions of their classes mention, and what the classes declare."""
    names = {}
    for cls in mro:
        namespace = _TYPE_DICT(cls)
        for declared in ("__static_attributes__", "__match_args__"):
            declared = namespace.get(declared)
            if type(declared) is tuple:
                names.update((name, None) for name in declared if type(name) is str)
        for declared in ("__annotations__", "__dataclass_fields__"):
            declared = namespace.get(declared)
            if type(declared) is dict:
                names.update((name, None) for name in declared if type(name) is str)
        for value in list(namespace.values()):
            if type(value) is _FUNCTION:
                names.update((name, None) for name in value.__code__.co_names)
    return [name for name in names if not any(name in _TYPE_DICT(cls) for cls in mro)]


def _name_in_frame(referent, waiting, used, names):
    """The name of what a frame or generator holds: a variable in its cell, the function, or a value on its stack."""
    if type(referent) is _CELL:
        try:
            places = waiting.get(id(_CELL_CONTENTS(referent)))
        except ValueError:
            places = None
        if places:
            place = places.pop()
            used[place] = 1
            return names[place]
        return '"<cell>"'
    if type(referent) is _FUNCTION:
        return '"f_func"'
    return '"<stack>"'


def _name_the_only_one(targets, edges, name):
    """Names the one reference that is left without a name, where its type leaves no doubt."""
    unnamed = [place for place, edge in enumerate(edges) if edge == "null"]
    if name is not None and len(unnamed) == 1:
        edges[unnamed[0]] = quote(name)
        return
    dicts = [place for place in unnamed if type(targets[place]) is dict]
    if len(dicts) == 1 and '"__dict__"' not in edges:
        edges[dicts[0]] = '"__dict__"'


def _named_by(get, secrets, is_method=False):
    def tail(obj):
        name = get(obj)() if is_method else get(obj)
        return ',"name":%s' % quote(name) if type(name) is str and not secrets.are_within(name, len(name)) else ""

    return tail


def _is_builtins(namespace):
    builtins = sys.modules.get("builtins")
    return builtins is not None and namespace is _MODULE_DICT(builtins)


def _like_annotations(namespace, function, forked):
    """Whether all keys are parameters of the function, or `return`. From 3.12 on the names of parameters cannot be asked for
    without leaving a tuple in the code object, so that a process that lives on is asked for the values' types instead."""
    if not namespace or any(type(name) is not str for name in namespace):
        return False
    if not forked and sys.version_info >= (3, 12):
        return all(_has(_MRO(type(value)), type) for value in namespace.values())
    names = function.__code__.co_varnames
    return all(name == "return" or name in names for name in namespace)


def _place(frame):
    return "%s:%d" % (frame.f_code.co_filename, frame.f_lineno or 0)


def _buffer_of(array):
    """A function that tells the bytes of the buffer which an array owns; none of a view, and of memory that C code lent."""
    namespace = _TYPE_DICT(array)
    get_bytes, get_flags = namespace["nbytes"].__get__, namespace["flags"].__get__
    return lambda obj: get_bytes(obj) if get_flags(obj).owndata else 0


def _array_tail(array):
    buffer = _buffer_of(array)

    def tail(obj):
        size = buffer(obj)
        return ',"external":%d' % size if size else ""

    return tail


def _size_without_buffer(array, sizeof):
    """The size of an array without its buffer, which is told apart: `__sizeof__` of numpy's own counts it."""
    if sizeof is not _getsizeof:
        return sizeof
    buffer = _buffer_of(array)
    return lambda obj: sizeof(obj) - buffer(obj)


def _object_columns(array, obj, dtype):
    """`(name, array of objects)` for each part of an array that holds objects."""
    if dtype.names is None:
        return [("", obj)] if dtype.kind == "O" else []
    columns = []
    for name in dtype.names:
        part = dtype.fields[name][0]
        if part.hasobject:
            column = array["__getitem__"](obj, name)
            columns += [("[%r]%s" % (name, inner), found) for inner, found in _object_columns(array, column, part)]
    return columns


# --------------------------------------------------------------------------------------------------------------- capture

class Before:
    """What only the live process can tell, noted before it forks; its containers are the capture's own."""

    __slots__ = ("frames", "exceptions", "thread_dicts", "kept", "threads", "context", "rss", "memory", "time", "pid", "caller",
                 "active", "policy", "alarm")

    def __init__(self, job):
        self.caller = job.caller
        self.memory = ""
        #: The program's handler of SIGALRM, where the child has taken its place.
        self.alarm = None
        self.time = time.gmtime()
        self.pid = os.getpid()
        self.rss = _resident()
        self.frames = _foreign_frames()
        self.exceptions = _handled_exceptions()
        if job.exception is not None:
            self.exceptions.append((_get_ident(), job.exception))
        # a fork takes the other threads away, and with them what they alone hold: in `threading.local`, in their contexts
        self.thread_dicts, self.kept = _held_by_threads() if len(self.frames) > 1 else ([], [])
        active = _loaded("threading", "_active")
        self.active = list(active.items()) if type(active) is dict else []
        policy = _loaded("asyncio.events", "_event_loop_policy")
        self.policy = [] if policy is None else [policy, _instance_value(policy, "_local")]
        self.threads = _thread_names()
        self.context = _context()

    def containers(self):
        """Addresses of the collector-tracked objects that this has made."""
        made = [self.frames, self.exceptions, self.thread_dicts, self.kept, self.threads, self.context, self.active, self.policy]
        made += self.frames + self.exceptions + self.thread_dicts + self.context + self.active
        made += [dicts for _, dicts in self.thread_dicts]
        return {id(container) for container in made}

    def clear(self):
        """Lets go of everything, so that no frame is kept alive from here."""
        for container in (self.frames, self.exceptions, self.thread_dicts, self.kept, self.threads, self.context, self.active,
                          self.policy):
            container.clear()


def _foreign_frames():
    """`(thread, topmost frame)` of each thread, in this one the frame that called into this package."""
    frames = sys._current_frames()
    own = _get_ident()
    frames.pop(own, None)
    found = list(frames.items())
    frame = sys._getframe()
    while frame is not None and _is_own_frame(frame):
        frame = frame.f_back
    if frame is not None:
        found.append((own, frame))
    return found


def _is_own_frame(frame):
    namespace = frame.f_globals
    if namespace is globals():
        return True
    package = __name__.rpartition(".")[0]
    name = namespace.get("__package__") if type(namespace) is dict else None
    return bool(package) and type(name) is str and name == package


def _resident():
    """Resident memory in bytes, or `None` where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def _memory(forked):
    """Further keys of the header, as JSON text: bytes that the process has for itself, resident and swapped out, and bytes of
    the interpreter's arenas, all of them and in use. What cannot be had is left out.

    To be asked before the capture takes memory of its own. A forked child has what its parent had when it forked, so that
    the parent does not wait for this."""
    found = []
    try:
        with open("/proc/self/status", "rb") as file:
            lines = file.read().split(b"\n")
        for line in lines:
            name, _, rest = line.partition(b":")
            if name in (b"RssAnon", b"VmSwap"):
                found.append(("anonymous" if name == b"RssAnon" else "swap", int(rest.split()[0]) << 10))
    except (OSError, ValueError, IndexError):
        pass
    # the interpreter tells of its arenas on the standard error of C alone, which only a child may turn elsewhere
    if forked:
        try:
            found += _arenas(_malloc_statistics())
        except (AttributeError, OSError, ValueError):
            pass
    return "".join([',"%s":%d' % pair for pair in found])


def _malloc_statistics():
    """What `sys._debugmallocstats` writes to descriptor 2, which leads elsewhere meanwhile."""
    before = os.dup(2)
    try:
        caught = os.memfd_create("retainers")
        try:
            os.dup2(caught, 2)
            sys._debugmallocstats()
            os.lseek(caught, 0, os.SEEK_SET)
            return os.read(caught, 1 << 16).decode("latin-1")
        finally:
            os.dup2(before, 2)
            os.close(caught)
    finally:
        os.close(before)


def _arenas(text):
    """`(key, bytes)` of the arenas; nothing for an interpreter that has none, such as one under `PYTHONMALLOC=malloc`."""
    total = used = None
    for line in text.split("\n"):
        name, _, number = line.partition("=")
        if name.startswith("# bytes in allocated blocks"):
            used = int(number.replace(",", ""))
        elif " bytes/arena" in name:
            total = int(number.replace(",", ""))
    return [] if total is None or used is None else [("arenas", total), ("arenas_used", used)]


def _handled_exceptions():
    """`(thread, exception)` of each thread that is in an `except` block."""
    own = _get_ident()
    found = []
    if hasattr(sys, "_current_exceptions"):
        for thread, value in sys._current_exceptions().items():
            value = value[1] if type(value) is tuple else value
            if value is not None and thread != own:
                found.append((thread, value))
    handled = sys.exc_info()[1]
    if handled is not None:
        found.append((own, handled))
    return found


def _get_ident():
    return _real("_thread", "get_ident")()


def _held_by_threads():
    """`(local, [dictionary of each thread])` of each `threading.local`, and the contexts and exceptions of the process: what
    was a thread's alone would go with it, and its finalizers would run."""
    local, context = _loaded("_thread", "_local"), _loaded("_contextvars", "Context")
    found, kept, known = [], [], {}
    for obj in gc.get_objects():
        cls = type(obj)
        kind = known.get(id(cls))
        if kind is None:
            mro = _MRO(cls)
            is_kept = _has(mro, BaseException) or context is not None and cls is context
            kind = known[id(cls)] = 2 if is_kept else int(local is not None and _has(mro, local))
        if kind == 2:
            kept.append(obj)
        elif kind:
            dicts = []
            for table in _get_referents(obj):
                if type(table) is dict:
                    dicts += [value for value in table.values() if type(value) is dict]
            found.append((obj, dicts))
    return found, kept


def _thread_names():
    """`{ident: name}` of the threads that `threading` knows."""
    active = _loaded("threading", "_active")
    names = {}
    if type(active) is dict:
        for ident, thread in list(active.items()):
            name = _instance_value(thread, "_name")
            if type(ident) is int and type(name) is str:
                names[ident] = name
    return names


def _context():
    """`(name, value)` of the context variables that are set in this thread's context."""
    copy = _loaded("_contextvars", "copy_context")
    if copy is None:
        return []
    found = []
    for variable, value in copy().items():
        found.append((variable.name if type(variable.name) is str else "", value))
    return found


class Capture:
    """Everything that one dump starts from: objects, roots, and what must stay out of it.

    `objects` is the work list of the walk and grows by what is found. It holds each object exactly once, so that a
    reference count less one, and less what the loop itself holds, is that of the program.
    """

    def __init__(self, objects, before, values, forked, hooks=(), is_lean=False):
        own_containers = before.containers()
        self.values = values
        self.forked = forked
        self.unseen = {}
        #: `(kind, name, thread, address)`
        self.roots = []
        #: Addresses whose reference count the capture itself has raised, and by how much.
        self.held = {}
        self.secrets = Secrets()
        for ident, name in list(before.threads.items()):
            if self.secrets.are_within(name, len(name)):
                before.threads[ident] = None
        self.module_names = {}
        self.namespaces = set()
        self.thread_dicts = {}
        self.reports_dicts = _reports_dicts()
        own, blocked = _own_objects(self.held, own_containers | {id(objects), id(self.held)})
        if not blocked.isdisjoint(map(id, map(type, objects))):
            blocked |= {id(obj) for obj in objects if id(type(obj)) in blocked}
        blocked |= own_containers
        own |= blocked
        blocked |= _hook_markers()
        self.blocked = blocked
        #: Addresses of the objects that are listed; `None` where the walk is another's, which has a denser set of its own: here
        #: `apart` then tells what the collector tracks but the list has not, and `added` what has been put into it.
        self.seen, self.apart, self.added = None, own, set()
        if is_lean:
            self.objects = _take_out(objects, own, blocked)
        else:
            self.objects = [obj for obj in objects if id(obj) not in own
                            and not (type(obj) is _METHOD and id(_METHOD_SELF(obj)) in blocked)]
            self.list_seen()
        self._threads(before)
        self._modules()
        self._frames(before)
        self._exceptions(before)
        self._thread_locals(before)
        self._context(before)
        self._hooks(hooks, before)
        self._exit_callbacks()
        self._tasks()
        self._not_seen(before)

    def add(self, obj):
        """Has an object walked; its address."""
        if not self.is_listed(obj):
            (self.added if self.seen is None else self.seen).add(id(obj))
            self.objects.append(obj)
        return id(obj)

    def is_listed(self, obj):
        if self.seen is not None:
            return id(obj) in self.seen
        return id(obj) in self.added or gc.is_tracked(obj) and id(obj) not in self.apart

    def is_older(self, obj):
        """Whether a container was there before the capture began."""
        if self.seen is not None:
            return id(obj) in self.seen
        # what was there before is frozen
        return not any(new is obj for new in gc.get_objects())

    def list_seen(self):
        """Notes the address of each object, for a walk that does not do so itself."""
        if self.seen is None:
            self.seen = set(map(id, self.objects))

    def root(self, kind, name, obj, thread=None):
        if id(obj) not in self.blocked:
            self.roots.append((kind, name, thread, self.add(obj)))

    def _threads(self, before):
        """Puts back what modules forget in a forked child: the table of `threading`, the event loop of `asyncio`."""
        active = _loaded("threading", "_active")
        if self.forked and type(active) is dict:
            for ident, thread in before.active:
                if ident not in active:
                    active[ident] = thread
        ident = thread = None
        del before.active[:]
        if self.forked and before.policy and before.policy[1] is not None:
            # `asyncio` forgets its event loop in a forked child, from 3.12 on
            getter = _dict_getter(_MRO(type(before.policy[0])))
            attributes = None if getter is None else getter.__get__(before.policy[0])
            if type(attributes) is dict:
                attributes["_local"] = before.policy[1]
        attributes = None
        del before.policy[:]

    def _modules(self):
        for name, module in list(sys.modules.items()):
            if type(name) is str and module is not None and id(module) not in self.blocked:
                self.module_names.setdefault(id(module), name)
                if type(module) is _MODULE_TYPE:
                    self.namespaces.add(id(_MODULE_DICT(module)))
                self.root("module", name, module)
        builtins = sys.modules.get("builtins")
        if type(builtins) is _MODULE_TYPE:
            self.root("builtin", "builtins", _MODULE_DICT(builtins))

    def _frames(self, before):
        for ident, frame in before.frames:
            if self.forked and ident != _get_ident() and sys.version_info >= (3, 15):
                # a fork takes the stacks of other threads away, and their frames would be read from freed memory
                self.miss("frames of other threads")
                continue
            thread = before.threads.get(ident) or "thread %d" % ident
            kind = before.caller if ident == _get_ident() else "frame"
            while frame is not None:
                if _is_own_frame(frame):
                    self.blocked.add(id(frame))
                    self.blocked.add(id(frame.f_globals))
                else:
                    name = getattr(frame.f_code, _CODE_NAME)
                    self.root(kind, name if self.values else "%s (%s)" % (name, _short_place(frame)), frame, thread)
                    kind = "frame"
                frame = frame.f_back
        del before.frames[:]

    def _exceptions(self, before):
        for ident, value in before.exceptions:
            self.root("exception", type_name(type(value)), value, before.threads.get(ident))
        del before.exceptions[:]

    def _thread_locals(self, before):
        for local, dicts in before.thread_dicts:
            places = []
            for namespace in dicts:
                if self.is_listed(namespace):
                    # tracked already: its place is looked up once, which is rare enough
                    places.append(next(place for place, obj in enumerate(self.objects) if obj is namespace))
                else:
                    self.add(namespace)
                    places.append(len(self.objects) - 1)
            self.thread_dicts[id(local)] = places
        del before.thread_dicts[:]

    def _context(self, before):
        for name, value in before.context:
            self.root("context", name, value)
        del before.context[:]

    def _hooks(self, hooks, before):
        getsignal, names = _loaded("_signal", "getsignal"), {}
        if getsignal is not None:
            for name, number in list(_MODULE_DICT(sys.modules["_signal"]).items()):
                if type(name) is str and name.startswith("SIG") and "_" not in name and type(number) is int:
                    names.setdefault(number, name)
            for number, name in sorted(names.items()):
                try:
                    handler = getsignal(number)
                except (ValueError, OSError):
                    continue
                if name == "SIGALRM" and before.alarm is not None:
                    handler = before.alarm  # the clock of this child took its place
                if handler is not None and type(handler) is not int and type(type(handler)) is type and not _is_enum(handler):
                    self.root("signal", name, handler)
        for name, found in hooks:
            if found is not None:
                self.root("hook", name, found)
        if hasattr(sys, "get_asyncgen_hooks"):
            for found, name in zip(sys.get_asyncgen_hooks(), ("firstiter", "finalizer")):
                if found is not None:
                    self.root("hook", "sys.asyncgen_hooks." + name, found)
        for place, found in enumerate(gc.garbage):
            self.root("garbage", "gc.garbage[%d]" % place, found)
        for place, found in enumerate(gc.callbacks):
            self.root("hook", "gc.callbacks[%d]" % place, found)

    def _exit_callbacks(self):
        """Callbacks of `atexit`, and how many there are that cannot be told."""
        atexit = sys.modules.get("atexit")
        if type(atexit) is not _MODULE_TYPE:
            return
        count = atexit._ncallbacks()
        if sys.version_info < (3, 10):
            for found in _get_referents(atexit):
                if type(found) is not dict:
                    self.root("atexit", _function_name(found), found)
            return
        found = []
        if self.forked and count and not _compared_by_program(self.objects):
            # `unregister` compares every callback with what it is given, and drops what is equal: nothing is
            atexit.unregister(_Unequal(found))
            found.reverse()
        for function in found:
            self.root("atexit", _function_name(function), function)
        self.miss("arguments of callbacks of atexit" if len(found) == count else "callbacks of atexit", count)

    def _tasks(self):
        """Tasks that a loop is running at this moment; those that wait are held by what will wake them."""
        current = _loaded("asyncio.tasks", "_current_tasks")
        if type(current) is dict:
            for task in list(current.values()):
                if task is not None:
                    self.root("task", type_name(type(task)), task)
        if sys.version_info >= (3, 14):
            running = _loaded("_asyncio", "_get_running_loop")
            get_task = _loaded("_asyncio", "current_task")
            loop = running() if running is not None else None
            task = get_task(loop) if loop is not None and get_task is not None else None
            if task is not None:
                self.root("task", type_name(type(task)), task)

    def _not_seen(self, before):
        frozen = gc.get_freeze_count()
        if frozen and not self.forked:
            self.miss("objects of the frozen generation are seen only where others lead to them", frozen)
        frames = sum(1 for root in self.roots if root[0] == "frame")
        if sys.version_info >= (3, 11):
            self.miss("evaluation stacks of running frames", frames)
        others = len({root[2] for root in self.roots if root[0] == "frame"}) - 1
        if others > 0 and _loaded("_contextvars", "copy_context") is not None:
            self.miss("contexts of other threads", others)

    def miss(self, what, count=1):
        """Notes what could not be seen."""
        if count > 0:
            self.unseen[what] = self.unseen.get(what, 0) + count


class _Unequal:
    """Equal to nothing; notes what it is compared with."""

    __slots__ = ("found",)
    __hash__ = None

    def __init__(self, found):
        self.found = found

    def __eq__(self, other):
        self.found.append(other)
        return False


#: Modules whose callable objects may be compared: nothing of the program runs.
_HARMLESS = ("typing", "weakref", "types", "functools", "_weakrefset", "builtins", "abc", "enum")


def _compared_by_program(objects):
    """Whether there is a class of callable objects with an `__eq__` of the program's own."""
    known = {}
    for cls in objects:
        kind = type(cls)
        is_class = known.get(id(kind))
        if is_class is None:
            is_class = known[id(kind)] = _has(_MRO(kind), type)
        if is_class and _FLAGS(cls) & _HEAP_TYPE:
            mro = _MRO(cls)
            if any("__call__" in _TYPE_DICT(base) for base in mro):
                for base in mro:
                    found = _TYPE_DICT(base).get("__eq__")
                    if found is not None:
                        module = _TYPE_DICT(base).get("__module__")
                        if type(found) is not _SLOT_WRAPPER and (type(module) is not str or module not in _HARMLESS):
                            return True
                        break
    return False


def _function_name(function):
    """The name of a callback where it is a function or a bound method."""
    if type(function) is _METHOD:
        function = _METHOD_FUNCTION(function)
    return function.__qualname__ if type(function) is _FUNCTION else type_name(type(function))


def _is_enum(handler):
    """Whether a handler is `SIG_DFL` or `SIG_IGN` as an enum."""
    return _has(_MRO(type(handler)), int)


def _short_place(frame):
    return _place(frame).rsplit("/", 1)[-1]


class Secrets:
    """What is never written: what `os.environ` holds, texts that equal one of its values, and texts that contain one.

    Only a value of `SECRET_LENGTH` characters or more hides what contains it, and only if no code is called by it: what is
    part of the name of a loaded module, or of a path from which modules are loaded, is in the name of every file there."""

    __slots__ = ("texts", "addresses", "strings", "blobs")

    def __init__(self):
        #: Strings and bytes that equal what is never written.
        self.texts = set()
        #: Addresses of objects that are never written.
        self.addresses = set()
        for table in (_instance_value(os.environ, "_data"), _loaded("posix", "environ")):
            if type(table) is dict:
                for key, value in list(table.items()):
                    self._add(key, value)
        self.texts.discard("")
        self.texts.discard(b"")
        #: What hides the strings that contain it, and the same for bytes: copies, which nothing but this holds.
        self.strings = _secret_parts([text for text in self.texts if type(text) is str])
        self.blobs = tuple([text.encode("utf-8", "surrogateescape") for text in self.strings])

    def _add(self, key, value):
        self.addresses.update((id(key), id(value)))
        for text in (key, value):
            if type(text) is bytes:
                self.texts.add(text)
        if type(value) is bytes:
            self.texts.add(os.fsdecode(value))
        elif type(value) is str:
            self.texts.add(value)

    def hide(self, text):
        """Whether a text, an exact string or bytes, must not be written."""
        return id(text) in self.addresses or text in self.texts or self.are_within(text)

    def are_within(self, text, limit=VALUE_LIMIT):
        """Whether a text contains a secret that begins in its first characters, as many as are written."""
        size = len(text)
        if size < SECRET_LENGTH:
            return False
        secrets = self.strings if type(text) is str else self.blobs
        if size <= limit:
            for secret in secrets:
                if secret in text:
                    return True
            return False
        for secret in secrets:
            if text.find(secret, 0, limit + len(secret) - 1) >= 0:
                return True
        return False


def _secret_parts(values):
    """Those of the environment's values that hide what contains them, without the spaces around them."""
    places = [sys.prefix, sys.exec_prefix, sys.executable, *sys.path]
    try:
        places.append(os.getcwd())
    except OSError:
        pass
    names = "\n".join([name for name in [*sys.modules, *places] if type(name) is str])
    values = {value.strip() for value in values}
    return tuple([value for value in values if len(value) >= SECRET_LENGTH and value not in names])


class _Probe:
    """An instance with attributes, to try the interpreter with."""


def _reports_dicts():
    """Whether the collector is told of the `__dict__` that an instance has; not so in early 3.13."""
    probe = _Probe()
    probe.value = 1
    attributes = probe.__dict__
    return any(referent is attributes for referent in _get_referents(probe))


def _parts_of_code(code):
    """What a code object holds, which the collector is not told."""
    return [_TYPE_DICT(_CODE)[part].__get__(code) for part in _UNTRACKED["code"] if type(_TYPE_DICT(_CODE).get(part)) is _MEMBER]


def _take_out(objects, own, blocked):
    """The list without what is the capture's own, in its place: a process that has no memory left has none for another."""
    for place in [place for place, obj in enumerate(objects) if id(obj) in own
                  or type(obj) is _METHOD and id(_METHOD_SELF(obj)) in blocked][::-1]:
        last = objects.pop()
        if place < len(objects):
            own.add(id(objects[place]))
            objects[place] = last
        else:
            own.add(id(last))
    return objects


def _own_objects(held, apart):
    """Addresses of what belongs to this package and its running functions alone, and of those that no reference may lead to.

    `apart` are addresses of containers that are ours but hold what is the program's."""
    package = __name__.rpartition(".")[0]
    blocked, start = {id(globals())}, [globals()]
    for name, module in list(sys.modules.items()):
        if type(module) is not _MODULE_TYPE or type(name) is not str:
            continue
        namespace = _MODULE_DICT(module)
        if namespace is globals() or (package and (name == package or name.startswith(package + "."))):
            blocked.update((id(module), id(namespace)))
            start += [module, namespace]
    frame = sys._getframe()
    while frame is not None and _is_own_frame(frame):
        variables = frame.f_locals
        start += [[value for value in variables.values() if id(value) not in apart and value is not start]]
        if type(variables) is dict and frame.f_code.co_flags & _CO_OPTIMIZED:
            variables.clear()  # else the frame would be kept by the dictionary that it keeps
        frame = frame.f_back
    own = set(blocked)
    while start:
        obj = start.pop()
        for referent in _parts_of_code(obj) if type(obj) is _CODE else _get_referents(obj):
            cls = type(referent)
            if id(obj) in blocked:
                held[id(referent)] = held.get(id(referent), 0) + 1
            if id(referent) in own or id(referent) in apart:
                continue
            if cls is _MODULE_TYPE or cls is _FRAME or not (cls is _CODE or gc.is_tracked(referent)):
                continue
            if cls is _FUNCTION:
                if id(referent.__globals__) not in blocked:
                    continue
                blocked.add(id(referent))
            elif _has(_MRO(cls), type):
                module = _TYPE_DICT(referent).get("__module__")
                if type(module) is not str or not (module == __name__ or package and module.startswith(package + ".")):
                    continue
                blocked.add(id(referent))
            own.add(id(referent))
            start.append(referent)
    return own, blocked


# ------------------------------------------------------------------------------------------------------------------ walk

def walk(capture, describer, write):
    """Writes a line for each object that `capture.objects` leads to; `(objects, references, immortal)` as counts.

    `write` takes text. The list grows by what is found and keeps all of it alive, so that no address is given twice."""
    counts = [0, 0, 0]
    capture.list_seen()
    traced = _tracer(capture)
    later = [] if not capture.values else None
    _walk_some(capture.objects, 0, capture, describer, write, traced, later, counts)
    done = len(capture.objects)
    while later:
        # where no data may be written, dictionaries wait until it is known whose attributes they are
        some, later = later, []
        _walk_some(some, 1, capture, describer, write, traced, None, counts)
        rest, done = done, len(capture.objects)
        _walk_some(_tail_of(capture.objects, rest), 0, capture, describer, write, traced, later, counts)
        done = len(capture.objects)
    counts[2] += describer.immortals
    return counts


def _tail_of(objects, start):
    """The objects from `start` on, those included that are added meanwhile."""
    iterator = iter(objects)
    iterator.__setstate__(start)
    return iterator


def _walk_some(source, extra, capture, describer, write, traced, later, counts):
    """Walks `source`; `extra` is how often the capture itself holds each of its objects beyond `capture.objects`."""
    objects, seen, blocked = capture.objects, capture.seen, capture.blocked
    plans, plan_of, namespaces = describer.plans, describer.plan, describer.namespaces
    held, immortal = capture.held, _immortals()
    append, add = objects.append, seen.add
    lines = []
    line = lines.append
    objects_count = references = immortals = 0
    for obj in [object()]:
        base = _getrefcount(obj) + extra
    for obj in source:
        cls = type(obj)
        count = _getrefcount(obj) - base
        address = id(obj)
        plan = plans.get(id(cls))
        if plan is None:
            plan = plan_of(cls)
        head, handler, is_leaf, sizeof = plan
        # None and the small integers, or a count that the capture itself has raised
        if count >= IMMORTAL or address in immortal:
            end = ',"root":"immortal"}\n'
            immortals += 1
        elif address in held:
            end = f',"rc":{count - held[address]}}}\n'
        else:
            end = f',"rc":{count}}}\n'
        if traced is not None:
            end = traced(obj) + end
        if is_leaf:
            line(f'{{"address":{address}{head}{sizeof(obj)},"refs":[]{handler(obj)}{end}')
            objects_count += 1
            continue
        if later is not None and cls is dict and address not in namespaces:
            later.append(obj)
            immortals -= count >= IMMORTAL
            continue
        targets, edges, tail, weak = handler(obj)
        addresses = list(map(id, targets))
        if not blocked.isdisjoint(addresses):
            targets, addresses, edges = _without_own(targets, edges, blocked, obj)
        for place, target in enumerate(addresses):
            if target not in seen:
                add(target)
                append(targets[place])
        if weak:
            weak = [target for target in weak if id(target) not in blocked]
            tail += f',"weak":{list(map(id, weak))}'
            for target in weak:
                capture.add(target)
            target = None
        references += len(addresses)
        targets = weak = None
        line(f'{{"address":{address}{head}{sizeof(obj)},"refs":{addresses},"edges":[{edges}]{tail}{end}')
        objects_count += 1
        if len(lines) > 4000:
            write("".join(lines))
            lines.clear()
    write("".join(lines))
    counts[0] += objects_count
    counts[1] += references
    counts[2] += immortals


def _without_own(targets, edges, blocked, obj):
    """The references of an object less those to the capture itself; of a dictionary, their keys as well."""
    targets, edges = list(targets), _split_edges(edges)
    kept = [id(target) not in blocked for target in targets]
    if type(obj) is dict:
        half = len(kept) // 2
        kept = kept[:half] + kept[:half]
    targets = [target for target, keep in zip(targets, kept) if keep]
    edges = [edge for edge, keep in zip(edges, kept) if keep]
    return targets, list(map(id, targets)), ",".join(edges)


def _split_edges(edges):
    """JSON strings and `null`s that stand between commas, one by one."""
    found, at = [], 0
    while at < len(edges):
        if edges[at] != '"':
            end = at + 4
        else:
            end = at + 1
            while edges[end] != '"':
                end += 2 if edges[end] == "\\" else 1
            end += 1
        found.append(edges[at:end])
        at = end + 1
    return found


def _immortals():
    """Addresses of what lives as long as the interpreter although its reference count does not say so."""
    if sys.version_info >= (3, 12):
        return frozenset()
    return frozenset(map(id, [None, True, False, ..., NotImplemented, "", b"", ()] + list(range(-5, 257))))


def _tracer(capture):
    """A function that gives the key for an object's allocation site, when `tracemalloc` is tracing."""
    if _tracemalloc is None or not _tracemalloc.is_tracing():
        return None
    get = _tracemalloc._get_object_traceback
    is_blind = sys.version_info[:2] == (3, 11)
    own = _tracer.__code__.co_filename

    def site(obj):
        frames = get(obj)
        if not frames:
            if is_blind and _FLAGS(type(obj)) & _MANAGED_DICT:
                capture.miss("allocation sites of plain instances: CPython 3.11 cannot tell them")
            return ""
        frames = frames[0] if type(frames[0]) is tuple and type(frames[0][0]) is tuple else frames
        if frames[0][0] == "<unknown>" or frames[0][0] == own:
            # no Python code was running, or only here: the interpreter makes a frame's object when it is looked at
            return ""
        return ',"site":%s' % quote("%s:%d" % (frames[0][0], frames[0][1]))

    return site


# ----------------------------------------------------------------------------------------------------------------- write

class Writer:
    """Text in, bytes out: encodes, compresses, counts. `file` takes bytes."""

    __slots__ = ("file", "compress", "finish", "bytes")

    def __init__(self, file, compressor):
        self.file = file
        self.bytes = 0
        self.compress, self.finish = compressor() if compressor is not None else (None, None)

    def __call__(self, text):
        data = text.encode("utf-8")
        self._put(data if self.compress is None else self.compress(data))

    def close(self):
        if self.finish is not None:
            self._put(self.finish())

    def _put(self, data):
        if data:
            self.bytes += len(data)
            self.file.write(data)


def _compressor(path):
    """A factory of `(compress, finish)` for the suffix of a path; `None` for plain text. Imports what that needs."""
    if path.endswith(".gz"):
        import zlib

        def gzip():
            stream = zlib.compressobj(3, zlib.DEFLATED, 31)
            return stream.compress, stream.flush

        return gzip
    if path.endswith((".zst", ".zstd")):
        for find in (_zstd_of_python, _zstd_of_zstandard, _zstd_of_pyzstd):
            try:
                return find()
            except ImportError:
                pass
        import warnings

        warnings.warn("no zstd compressor in this Python: %s is written uncompressed" % path, RuntimeWarning, stacklevel=3)
    return None


def _zstd_of_python():
    from compression import zstd

    def start():
        stream = zstd.ZstdCompressor()
        return stream.compress, stream.flush

    return start


def _zstd_of_zstandard():
    import zstandard

    def start():
        stream = zstandard.ZstdCompressor().compressobj()
        return stream.compress, stream.flush

    return start


def _zstd_of_pyzstd():
    import pyzstd

    def start():
        stream = pyzstd.ZstdCompressor()
        return stream.compress, stream.flush

    return start


def capture(write, before, values, forked, core=None, hooks=()):
    """Writes the whole dump through `write`; `(objects, references, roots)` as counts."""
    objects = gc.get_objects()
    # whatever becomes of this, the child ends with them: what only a thread of its parent held would be finalized here
    before.kept[:] = [objects]
    is_lean = forked and core is not None and core is not walk
    if is_lean:
        gc.freeze()  # so that what is made from here on can be told
    capture = Capture(objects, before, values, forked, hooks, is_lean)
    before.kept[:] = [capture.objects]
    del objects
    write(_header(before, values, capture.secrets))
    describer = Describer(capture)
    try:
        counts = (core or walk)(capture, describer, write)
    finally:
        describer.__dict__.clear()  # its cycles would stay in the heap as garbage
        if not forked:
            before.kept.clear()
    for kind, name, thread, address in capture.roots:
        write('{"root":%s,"object":%d%s%s}\n' % (
            quote(kind), address, "" if name is None else ',"name":%s' % quote(name),
            "" if thread is None else ',"thread":%s' % quote(thread)))
    for what, count in capture.unseen.items():
        write('{"unseen":%s,"count":%d}\n' % (quote(what), count))
    objects, references, immortals = counts
    roots = len(capture.roots) + immortals
    write('{"end":{"objects":%d,"references":%d,"roots":%d}}\n' % (objects, references, roots))
    return objects, references, roots


def _header(before, values, secrets):
    version = "%d.%d.%d" % sys.version_info[:3]
    line = '{"retainers":%d,"runtime":%s,"runtime_version":%s,"time":%s,"pid":%d' % (
        FORMAT_VERSION, quote(sys.implementation.name), quote(version), quote(time.strftime("%Y-%m-%dT%H:%M:%SZ", before.time)),
        before.pid)
    words = getattr(sys, "orig_argv", None) or getattr(sys, "argv", None)
    if values and type(words) is list:
        words = ["<str>" if secrets.are_within(word, 1000) else word[:1000] for word in words if type(word) is str]
        line += ',"command":[%s]' % ",".join(map(quote, words))
    if before.rss is not None:
        line += ',"rss":%d' % before.rss
    return line + before.memory + "}\n"


# ------------------------------------------------------------------------------------------------------------------ dump

def dump(target, *, values=True, fork=None, wait=True, timeout=None, core=None, caller="frame", exception=None):
    """Writes a heap dump of this process.

    `target` is a path, or a file that is open for writing bytes. A path that ends in `.gz` or `.zst` is compressed where the
    Python has a compressor; it appears under its name only when it is whole. A symbolic link is followed; a device or a pipe
    is written to as it is.

    `values=False` writes no data of the program: no text, no number, no key of a dictionary, no command line.
    `fork` says who writes: a forked child while the program goes on (the default on Linux), or this process itself, which
    then stands still. `wait=False` returns a `Running` at once (paths and a fork only). `timeout` in seconds ends a child
    that takes longer; one that writes nothing for `STALLED` seconds ends itself. `core` is `True` for the native core that
    the package has, `False` for none, or the walk of another; without it, the package's where there is one.
    Where a forked child crashes in a core, the dump is written again without it, with a `RuntimeWarning`.
    `caller` is the kind of root that the calling frame is written as, and `exception` one that nobody handles any more but
    whose traceback is of interest.

    Returns a `Dump`. Raises `CaptureError` with the words of the capturing process when the dump could not be written,
    `OSError` when the target cannot be opened.
    """
    if fork is None:
        fork = sys.platform.startswith("linux") and hasattr(os, "fork")
    room = _Room()
    try:
        native = None if core is False else _package_native()
        job = _Job(None, values, fork, None, _walk_of(core, native), caller, exception)
        job.fork = native.fork if native is not None and native._core_fork is not None else None
        if hasattr(target, "write"):
            if not wait:
                raise ValueError("`wait=False` needs a path")
            return _dump_to_file(target, job, timeout)
        job.path = os.fspath(target)
        if type(job.path) is bytes:
            job.path = os.fsdecode(job.path)
        return _dump_to_path(job, wait, timeout)
    finally:
        room.leave()


def _dump_to_path(job, wait, timeout):
    path = job.path
    job.compressor = _compressor(path)
    job.open()
    start = time.monotonic()
    if not job.forked:
        try:
            counts = job.run()
        except OSError as error:
            raise CaptureError("%s: %s" % (path, error)) from error
        seconds = time.monotonic() - start
        return Dump(path, counts, seconds, seconds)
    running = Running(path, job.partial, start)
    try:
        running.start(job, job.descriptor, timeout if not wait or timeout is None else timeout + GRACE)
    finally:
        os.close(job.descriptor)
    if not wait:
        return running
    try:
        return running.result(timeout)
    except CaptureError as error:
        if job.core is None or not running.has_crashed():
            raise
        import warnings
        warnings.warn("%s; it is written again without the native core" % error, RuntimeWarning, stacklevel=3)
    return dump(path, values=job.values, fork=True, timeout=timeout, core=False, caller=job.caller, exception=job.exception)


def _package_native():
    """The package's native core, as the module that calls it; `None` where there is none, or where this file stands alone."""
    package = __name__.rpartition(".")[0]
    if not package:
        return None
    try:
        # not from `sys.modules`: another thread may be importing it at this moment
        from . import _native as native
    except ImportError:
        return None
    available = getattr(native, "available", None)
    return native if available is not None and available() else None


def _package_core():
    """The walk of the package's native core; `None` where there is none."""
    native = _package_native()
    return None if native is None else native.walk


def _walk_of(core, native):
    """The walk to use for the `core` that was asked for; `None` for the one in this file."""
    if core is None:
        return None if native is None else native.walk
    if core is True:
        if _tracemalloc is not None and _tracemalloc.is_tracing():
            raise CaptureError("core=True: while `tracemalloc` is tracing, Python walks the heap, since the native core does not "
                               "tell allocation sites")
        if native is None:
            raise CaptureError("core=True: there is no native core: %s" % _why_no_core())
        return native.walk
    if core is False:
        return None
    if not callable(core):
        raise TypeError("`core` is True, False, None or the walk of a core, not %s" % type_name(type(core)))
    return core


def _why_no_core():
    if not __name__.rpartition(".")[0]:
        return "this file stands alone, and the core is a part of the package"
    try:
        from . import _native as native
    except ImportError as error:
        return _error_text(error)
    return native.reason()


class _Room:
    """Room for the calls of a capture where the program has nearly used up the depth that it may go to.

    Raised by how deep the frames are: to try, by calling, would end the process in CPython 3.8 where a `RecursionError` is
    being handled. Code that is not Python's counts too there, hence twice the frames."""

    __slots__ = ("raised",)

    def __init__(self):
        self.raised = None
        frame, depth = sys._getframe(), 0
        while frame is not None:
            frame, depth = frame.f_back, depth + 1
        limit = sys.getrecursionlimit()
        if 2 * depth + DEPTH > limit and not _rooms:
            _rooms.append(limit)
            self.raised = limit + 2 * DEPTH
            sys.setrecursionlimit(self.raised)

    def leave(self):
        if self.raised is None:
            return
        limit = _rooms[0]
        if sys.getrecursionlimit() == self.raised:
            try:
                sys.setrecursionlimit(limit)
            except RecursionError:
                # early versions refuse this so near to the limit, but not from a thread that has gone less deep
                done = _real("_thread", "allocate_lock")()
                done.acquire()
                _real("_thread", "start_new_thread")(_limit_depth, (limit, done))
                done.acquire()
        del _rooms[:]


def _limit_depth(limit, done):
    try:
        sys.setrecursionlimit(limit)
    finally:
        done.release()


#: The limit of the depth before it was raised, while it is.
_rooms = []
_numbers = [0]


def _next_number():
    _numbers[0] += 1
    return _numbers[0]


class _Job:
    """The writing of one dump: into a file that gets its name when it is whole, or into a descriptor.

    A class, since the variables of closures would be found in the heap."""

    __slots__ = ("path", "target", "partial", "descriptor", "values", "forked", "compressor", "core", "fork", "caller", "exception",
                 "deadline", "alarm", "handler")

    def __init__(self, path, values, forked, compressor, core, caller, exception):
        self.path, self.values, self.forked = path, values, forked
        self.compressor, self.core = compressor, core
        self.caller, self.exception = caller, exception
        self.target = self.partial = self.descriptor = self.fork = self.deadline = None
        #: What starts the clock that ends a child which hangs, and the program's handler of that clock's signal.
        self.alarm = self.handler = None

    def open(self):
        """Opens what is written to; in the calling process, so that what cannot be written is told by name.

        A new file has no name until it is whole, or one beside where the system has no files without. What is not a file, and
        what a descriptor stands for, is written through; a symbolic link goes on leading where it leads."""
        flags = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            mode = os.stat(self.path).st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not S_ISREG(mode) or _is_descriptor(self.path):
            self._open_through(flags, mode)
            return
        self.target = os.path.realpath(self.path)
        if hasattr(os, "O_TMPFILE"):
            try:
                self.descriptor = os.open(os.path.dirname(self.target), flags | os.O_TMPFILE, 0o600)
                os.stat(self._by_descriptor())
                return
            except OSError:  # of this file system, or of this process without `/proc`
                if self.descriptor is not None:
                    os.close(self.descriptor)
        self.partial = self._beside()
        try:
            self.descriptor = os.open(self.partial, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None

    def _open_through(self, flags, mode):
        is_pipe = mode is not None and S_ISFIFO(mode)
        try:
            # a pipe that nobody reads is an error now, rather than a wait for ever
            self.descriptor = os.open(self.path, flags | os.O_APPEND | (os.O_NONBLOCK if is_pipe else 0))
        except OSError as error:
            if is_pipe and error.errno == ENXIO:
                raise OSError(ENXIO, "nobody reads this pipe", self.path) from None
            raise
        if is_pipe:
            os.set_blocking(self.descriptor, True)

    def _by_descriptor(self):
        return "/proc/self/fd/%d" % self.descriptor

    def _beside(self):
        return "%s.%d-%d.partial" % (self.target, os.getpid(), _next_number())

    def run(self):
        """Writes the dump in this process."""
        collection = _NoCollection()
        try:
            return self(Before(self))
        finally:
            collection.leave()

    def __call__(self, before):
        """Writes the dump; `(objects, references, roots, bytes)`. Removes the file when that fails."""
        try:
            try:
                counts = _write_all(self, self, before)
                if self.target is not None and self.partial is None:
                    self._give_name()
            finally:
                if not self.forked:
                    os.close(self.descriptor)
            if self.partial is not None:
                os.replace(self.partial, self.target)
            return counts
        except BaseException:
            if self.partial is not None:
                _remove(self.partial)
            raise

    def _give_name(self):
        """Gives the file that has no name its own, or one beside where that is taken."""
        for name in (self.target, self._beside()):
            try:
                # with a directory's descriptor, which an absolute path does without, links are followed
                os.link(self._by_descriptor(), name, src_dir_fd=self.descriptor, follow_symlinks=True)
            except FileExistsError:
                continue
            self.partial = None if name is self.target else name
            return
        raise OSError(EEXIST, "a file of that name is there already", self.target)

    def write(self, data):
        data = memoryview(data)
        while data:
            if self.alarm is not None:
                self.alarm(self._patience())
            data = data[_system.write(self.descriptor, data):]

    def _patience(self):
        """Seconds until this child ends itself."""
        if self.deadline is None:
            return STALLED
        return max(1, min(STALLED, int(self.deadline - time.monotonic() + 1)))

    def watch_itself(self):
        """Has the system end this child where it writes nothing for long: whatever it hangs in, nobody has to look."""
        signal, alarm = _loaded("_signal", "signal"), _loaded("_signal", "alarm")
        if signal is None or alarm is None:
            return
        number = _loaded("_signal", "SIGALRM")
        handler = signal(number, _loaded("_signal", "SIG_DFL"))
        self.handler = handler if callable(handler) else None
        self.alarm = alarm
        alarm(self._patience())
        _loaded("_signal", "pthread_sigmask")(_loaded("_signal", "SIG_UNBLOCK"), [number])


def _is_descriptor(path):
    """Whether a path leads to a descriptor of a process, such as `/dev/stdout` and `/proc/self/fd/3`."""
    for _ in range(40):
        parent = os.path.realpath(os.path.dirname(path) or ".")
        if not os.path.islink(path):
            return False
        if parent.startswith("/proc/") and parent.endswith("/fd"):
            return True
        path = os.path.join(parent, os.readlink(path))
    return False


def _write_all(job, file, before):
    with _Quiet(job.forked) as quiet:
        before.memory = _memory(job.forked)
        before.alarm, job.handler = job.handler, None
        writer = Writer(file, job.compressor)
        counts = capture(writer, before, job.values, job.forked, job.core, quiet.hooks())
    writer.close()
    return counts + (writer.bytes,)


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


class _Quiet:
    """No garbage collection and no trace function while the heap is read: both would run code of the program."""

    __slots__ = ("forked", "collects", "trace", "profile")

    def __init__(self, forked):
        self.forked = forked

    def __enter__(self):
        self.collects = gc.isenabled()
        gc.disable()
        self.trace, self.profile = sys.gettrace(), sys.getprofile()
        sys.settrace(None)
        sys.setprofile(None)
        if self.forked and hasattr(gc, "unfreeze"):
            gc.unfreeze()

        return self

    def hooks(self):
        """`(name, function)` of what was silenced; the functions are the program's."""
        return (("sys.trace", self.trace), ("sys.profile", self.profile))

    def __exit__(self, *error):
        if self.forked:
            return
        sys.setprofile(self.profile)
        sys.settrace(self.trace)
        if self.collects:
            gc.enable()


class _NoCollection:
    """No garbage collection in this process for a moment: it would run finalizers of the program in the midst of a capture."""

    __slots__ = ("collects",)

    def __init__(self):
        self.collects = gc.isenabled()
        gc.disable()

    def leave(self):
        if self.collects:
            gc.enable()


def _dump_to_file(file, job, timeout):
    """Writes the dump into an open file; of a forked child, through a pipe."""
    name = file.name if type(file).__module__ == "_io" and hasattr(file, "name") else None
    job.compressor = _compressor(name) if type(name) is str else None
    start = time.monotonic()
    if not job.forked:
        collection = _NoCollection()
        try:
            counts = _write_all(job, file, Before(job))
        finally:
            collection.leave()
        seconds = time.monotonic() - start
        return Dump(None, counts, seconds, seconds)
    reading, writing = os.pipe()
    running = Running(None, None, start)
    job.descriptor = writing
    try:
        running.start(job, writing, None if timeout is None else timeout + GRACE)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    deadline = None if timeout is None else start + timeout
    try:
        while True:
            if not _readable(reading, deadline):
                running.kill()
                break
            data = _system.read(reading, 1 << 16)
            if not data:
                break
            file.write(data)
    except BaseException:
        running.kill()
        raise
    finally:
        os.close(reading)
    return running.result(None if deadline is None else max(0, deadline - time.monotonic()))


def _readable(descriptor, deadline):
    """Waits until a pipe has something to read or is closed; false when the deadline passes first."""
    if deadline is None:
        return True
    import select  # noqa: F401

    poll = _real("select", "poll")()
    poll.register(descriptor, 0x1 | 0x10)  # POLLIN, POLLHUP
    return bool(poll.poll(max(0, (deadline - time.monotonic()) * 1e3)))


class Running:
    """A child that is writing a dump. `result()` waits for it; `poll()` says whether it is done. Several threads may ask."""

    __slots__ = ("path", "partial", "started", "pause", "pid", "pipe", "said", "status", "parent", "lock", "timeout")

    def __init__(self, path, partial, started):
        self.path, self.partial, self.started = path, partial, started
        self.pid = self.pipe = self.pause = self.status = self.timeout = None
        self.said = b""
        self.parent = os.getpid()
        #: Held by who waits for the child: it can be waited for once, and its pipe be read by one.
        self.lock = _real("_thread", "allocate_lock")()

    def start(self, job, keep, timeout=None):
        """Forks; the child does the job, tells its counts or its error through a pipe, and exits without any of the
        program's own exit handlers. `keep` is the one descriptor that it needs besides; after `timeout` seconds it ends
        itself."""
        reading, writing = os.pipe()
        _collect_ended()
        if timeout is not None:
            job.deadline = time.monotonic() + timeout
            self.timeout = timeout
        masked = _mask_signals()
        collection = _NoCollection()
        try:
            start = time.monotonic()
            before = Before(job)
            pid = _fork(job)
            if pid == 0:
                _in_child(job, before, writing, keep)
            self.pause = time.monotonic() - start
            before.clear()
        except BaseException:
            os.close(reading)
            _remove(self.partial) if self.partial else None
            raise
        finally:
            collection.leave()
            _unmask_signals(masked)
            os.close(writing)
        self.pid, self.pipe = pid, reading
        _running.append(self)

    def poll(self):
        """Whether the child has ended."""
        # who holds the lock is waiting for the child, and does what is to be done
        if self.status is None and self.parent == os.getpid() and self.lock.acquire(False):
            try:
                if self.status is None:
                    try:
                        pid, status = _system.waitpid(self.pid, os.WNOHANG)
                    except ChildProcessError:  # somebody else's `wait` was faster
                        pid, status = self.pid, -1
                    if pid:
                        self._ended(status)
                    elif not self.said and time.monotonic() > self.started + STALLED and not _readable(self.pipe, 0):
                        self._signal_end()  # it never began, so that nothing else ends it
            finally:
                self.lock.release()
        return self.status is not None

    def result(self, timeout=None):
        """The `Dump`, when it is written. Raises `CaptureError` when the child failed, was killed, or took longer than
        `timeout` seconds; it is ended then, and nothing is left under the dump's name."""
        if self.parent != os.getpid():
            raise CaptureError("%s: it is written for process %d, which forked this one" % (self.path or "dump", self.parent))
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self.lock.acquire(True, -1 if timeout is None else timeout):
            self._signal_end()
            raise self._is_late(timeout)
        try:
            if self.status is None:
                self._hear_from(deadline, timeout)
                self._listen()
                self._wait()
        finally:
            self.lock.release()
        return self._outcome()

    def has_crashed(self):
        """Whether the child was ended by a fault of its own code: an illegal instruction, a place that is no memory, …"""
        return self.status is not None and self.status > 0 and os.WIFSIGNALED(self.status) and (
            os.WTERMSIG(self.status) in _FAULTS)

    def kill(self):
        """Ends the child, and removes what it has written."""
        if self.status is None and self.parent == os.getpid():
            self._signal_end()
            if self.lock.acquire(False):
                try:
                    if self.status is None:
                        self._wait()
                finally:
                    self.lock.release()

    def _hear_from(self, deadline, timeout):
        """Waits for the child's first byte, by which its clock runs, and until the deadline, if there is one, for the rest."""
        begun = self.started + STALLED
        if not self.said and not _readable(self.pipe, begun if deadline is None else min(begun, deadline)):
            self._signal_end()
            self._wait()
            if deadline is None or begun < deadline:
                raise self._never_began()
            raise self._is_late(timeout)
        self.said = self.said or _system.read(self.pipe, 1)
        if not _readable(self.pipe, deadline):
            self._signal_end()
            self._wait()
            raise self._is_late(timeout)

    def _never_began(self):
        return CaptureError("%s: the capturing process hung: it did not begin within %d s (a hook of `os.register_at_fork`?)" % (
            self.path or "dump", STALLED))

    def _is_late(self, timeout):
        return CaptureError("%s: not written within %g s" % (self.path or "dump", timeout))

    def _signal_end(self):
        try:
            os.kill(self.pid, 9)
        except ProcessLookupError:
            pass

    def _wait(self):
        try:
            status = _system.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            status = -1
        self._ended(status)

    def _listen(self):
        while self.pipe is not None:
            data = _system.read(self.pipe, 1 << 16)
            if not data:
                os.close(self.pipe)
                self.pipe = None
            self.said += data

    def _ended(self, status):
        self.status = status
        self._listen()
        try:
            _running.remove(self)
        except ValueError:
            pass
        if not self.said.startswith(b"+done ") and self.partial:
            _remove(self.partial)

    def _outcome(self):
        word, _, rest = self.said[1:].partition(b" ")
        if word == b"done":
            counts = tuple(map(int, rest.split()))
            return Dump(self.path, counts, time.monotonic() - self.started, self.pause)
        name = self.path or "dump"
        if word == b"error":
            raise CaptureError("%s: %s" % (name, rest.decode("utf-8", "replace")))
        if self.status > 0 and os.WIFSIGNALED(self.status):
            number = os.WTERMSIG(self.status)
            if number == _loaded("_signal", "SIGALRM"):
                if self.timeout is not None and time.monotonic() - self.started >= self.timeout:
                    raise self._is_late(self.timeout)
                raise CaptureError("%s: the capturing process hung: it wrote nothing for %d s, and ended itself" % (name, STALLED))
            raise CaptureError("%s: the capturing process was killed by signal %d%s" % (
                name, number, " (out of memory?)" if number == 9 else ""))
        raise CaptureError("%s: the capturing process ended without a word (status %d)" % (name, self.status))


#: Children that nobody has waited for yet.
_running = []
_forking = []
#: One of the hooks of `os.register_at_fork`, by which the native core finds the others; it empties a list that is empty.
_MARKER = [].clear
_registered = []


def _hook_markers():
    return {id(_MARKER)}


def _fork(job):
    """`os.fork`; by the native core, which runs none of the program's at-fork hooks, where there is one."""
    if job.fork is not None:
        if not _registered:
            _registered.append(True)
            os.register_at_fork(after_in_child=_MARKER)
        return job.fork(_MARKER)
    _forking.append(True)
    try:
        with _NoForkWarning():
            return _system.fork()
    finally:
        _forking.pop()


def is_forking():
    """Whether the fork that is going on is one of ours: the child writes a dump and does nothing else."""
    return bool(_forking)


def _collect_ended():
    """Lets children go that have ended meanwhile, so that no zombie is left of `wait=False`."""
    own = os.getpid()
    for running in list(_running):
        if running.parent == own:
            running.poll()
            continue
        # this process was forked from the one that waits: it has but a copy of the pipe
        try:
            _running.remove(running)
            os.close(running.pipe)
        except (ValueError, OSError, TypeError):
            pass


def _lift_memory_limit():
    """Raises the limit of the address space as far as it goes: what ran out of memory needs some more to say why."""
    setrlimit, getrlimit = _loaded("resource", "setrlimit"), _loaded("resource", "getrlimit")
    if setrlimit is not None:
        kind = _loaded("resource", "RLIMIT_AS")
        hard = getrlimit(kind)[1]
        setrlimit(kind, (hard, hard))


def _die_first():
    """Has the system end this child rather than the program where memory runs out altogether."""
    try:
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return
    try:
        _system.write(score, b"1000")
    except OSError:
        pass
    finally:
        os.close(score)


def _in_child(job, before, pipe, keep):
    """The life of the child. Never returns, never raises."""
    status = 1
    gc.disable()  # a collection would run finalizers of the program
    try:
        job.watch_itself()
        _system.write(pipe, b"+")
        _lift_memory_limit()
        _die_first()
        _close_descriptors({0, 1, 2, pipe, keep})
        try:
            said = "done %d %d %d %d" % job(before)
            status = 0
        except BaseException as error:
            said = "error " + _error_text(error)
        _system.write(pipe, said.encode("utf-8", "replace")[:4096])
    finally:
        os._exit(status)


def _error_text(error):
    """Type and text of an error of the capture itself, and where it was."""
    if type(error) in (OSError, FileNotFoundError, PermissionError, BlockingIOError) and error.strerror:
        return error.strerror
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = "" if traceback is None else " (line %d)" % traceback.tb_lineno
    text = error.args[0] if error.args and type(error.args[0]) is str else ""
    return "%s: %s%s" % (type_name(type(error)), text, place)


def _close_descriptors(keep):
    """Closes what the child inherited: else connections that the program closes would stay open until the dump is done."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return
    for number in numbers:
        if number not in keep:
            try:
                os.close(number)
            except OSError:
                pass


def _mask_signals():
    """Blocks all signals, so that no handler of the program runs in the child; what was blocked before."""
    mask, blocked = _loaded("_signal", "pthread_sigmask"), _loaded("_signal", "valid_signals")
    if mask is None or blocked is None:
        return None
    return mask(_loaded("_signal", "SIG_BLOCK"), blocked())


def _unmask_signals(masked):
    if masked is not None:
        _loaded("_signal", "pthread_sigmask")(_loaded("_signal", "SIG_SETMASK"), masked)


class _NoForkWarning:
    """Silences the warning of CPython 3.12 and later that a process with threads forks: the child uses no lock of theirs.

    The filter names this module, so that no other thread's warning is touched by it."""

    __slots__ = ("filters", "entry")

    def __enter__(self):
        self.filters = _loaded("warnings", "filters") or _loaded("_warnings", "filters")
        self.entry = ("ignore", None, DeprecationWarning, __name__, 0)
        if type(self.filters) is list:
            self.filters.insert(0, self.entry)

    def __exit__(self, *error):
        for place, entry in enumerate(self.filters if type(self.filters) is list else ()):
            if entry is self.entry:
                del self.filters[place]
                break
