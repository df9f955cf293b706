"""A test that fails when something is retained: no more objects of the program's classes afterwards than before.

    with retainers.assert_no_growth("Session"):
        shop.visit()

    @retainers.assert_no_growth(warmup=2, repeat=10)
    def test_visits():
        shop.visit()

1. Before, instances are counted by class, and a dump begins: a forked child writes it while the block runs.
2. Afterwards they are counted again. When no class has more, that was all, and the first dump is dropped.
3. Else a second dump is written, and `retainers check` is asked about the classes that grew: which of their objects are held
   in ways that the first dump does not have as often, and by what.
"""

import collections
import functools
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import types

import retainers

from . import agent
from .explain import find_binary

__all__ = ["Grown", "GrowthError", "NoGrowth", "assert_no_growth"]

#: Types that are asked about at most where none is named, those that grew most first.
MOST_TYPES = 200
#: What `assert_no_growth` takes by name.
ARGUMENTS = ("allow", "allow_ways", "warmup", "repeat", "keep", "binary", "timeout")
#: Types that a message shows with their chains.
SHOWN = 5
#: Packages that run tests: what they note of a test is not the program's.
_TOOLS = frozenset(("_pytest", "coverage", "execnet", "hypothesis", "pluggy", "pytest", "retainers", "xdist"))
#: Flags of code that does not run when it is called: generators, coroutines, asynchronous generators.
_LATER = 0x20 | 0x80 | 0x200
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep

_subclasses = type.__dict__["__subclasses__"]


class Grown:
    """A type that has more objects: `type`, its name; how many there were `before` and are `after`; `ways`, the fingerprints of
    the ways of being held that have more; `expression`, which leads to the objects on the first way, or `None`; `sites`, the
    lines that made them, where `tracemalloc` saw it."""

    __slots__ = ("type", "before", "after", "ways", "expression", "sites")

    def __init__(self, type, before, after, ways, expression, sites):  # noqa: A002
        self.type, self.before, self.after = type, before, after
        self.ways, self.expression, self.sites = ways, expression, sites

    def __repr__(self):
        return "<Grown %s from %d to %d, held by %s>" % (self.type, self.before, self.after, self.expression)


class GrowthError(AssertionError):
    """Something is retained. The message says what grew, the chain that holds it, and how to allow it.

    `grown` has a `Grown` for each type, those first that no other of them holds; `dumps` the paths of the two dumps, where they
    were kept."""

    def __init__(self, message, grown=(), dumps=()):
        super().__init__(message)
        self.grown, self.dumps = list(grown), tuple(dumps)


def assert_no_growth(*types, allow=0, allow_ways=(), warmup=None, repeat=None, keep=None, binary=None, timeout=None, **wrong):
    """Fails with a `GrowthError` when there are more objects of the program's classes afterwards than before.

    A context manager; a decorator, which calls the function `warmup` times (1 without it) before the first count and `repeat`
    times (1) between both, and drops what it returns; and `assert_no_growth(…).run(function, …)`, which does the same at once.

    `types` are the classes that must not grow: qualified names, bare class names, globs over qualified names, or the classes
    themselves. Without any, every class written in Python, or tracked by the garbage collector, of the program itself and of
    installed packages counts, those of the standard library and of test runners do not.
    `allow` is how many more there may be of each type, or `{type: number}`; `allow_ways` are fingerprints of ways of being held
    that are meant to be. `keep` is a directory for the dumps of a check that fails, `binary` the command `retainers`, as for
    `why`, `timeout` ends a capture that takes longer, in seconds.

    Raises `FileNotFoundError` when the command is not found, `ValueError` for a name that no class of the process has,
    `agent.CaptureError` when a dump could not be written."""
    __tracebackhide__ = True
    for name in wrong:
        raise TypeError("assert_no_growth has no argument %r%s (it takes types, and %s)" % (
            name, _did_you_mean(_near(name, ARGUMENTS)), ", ".join(ARGUMENTS)))
    return NoGrowth(types, allow, allow_ways, warmup, repeat, keep, binary, timeout)


class NoGrowth:
    """What `assert_no_growth` returns."""

    def __init__(self, types, allow, allow_ways, warmup, repeat, keep, binary, timeout):
        __tracebackhide__ = True
        self.types = [_name_of(asked) for asked in types]
        allow = {"*": allow} if type(allow) is int else dict(allow)
        self.allow = {_name_of(asked): number for asked, number in allow.items()}
        self.allow_ways = [allow_ways] if type(allow_ways) is str else list(allow_ways)
        for asked in self.types + list(self.allow) + self.allow_ways:
            if type(asked) is not str:
                raise TypeError("not a class or the name of one: %r" % (asked,))
        for number in self.allow.values():
            if type(number) is not int or number < 0:
                raise ValueError("not a number of objects that may be allowed: %r" % (number,))
        self.warmup, self.repeat = warmup, repeat
        if (warmup or 0) < 0 or repeat is not None and repeat < 1:
            raise ValueError("nothing would be checked: warmup=%r, repeat=%r" % (warmup, repeat))
        self.keep, self.binary, self.timeout = keep, binary, timeout
        self.label = "growth"
        self.directory = self.command = self.before = self.dumping = None

    # -- as a function and as a decorator ----------------------------------------------------------------------------

    def run(self, function, *args, **kwargs):
        """Calls `function` for the warm-up, then between the two counts."""
        self(function)(*args, **kwargs)

    def __call__(self, function):
        is_class = isinstance(function, type)
        if is_class or not callable(function) or getattr(getattr(function, "__code__", None), "co_flags", 0) & _LATER:
            raise TypeError("assert_no_growth decorates a function that is done when it returns, not %s" % (
                "a class" if is_class else "a coroutine or generator" if callable(function) else repr(function)))
        return _of_program(_wrapper(self, function), function)

    def _fresh(self):
        """This check, not begun."""
        fresh = NoGrowth.__new__(NoGrowth)
        fresh.__dict__.update(self.__dict__, warmup=None, repeat=None)
        return fresh

    # -- as a context manager ----------------------------------------------------------------------------------------

    def __enter__(self):
        __tracebackhide__ = True
        if self.warmup is not None or self.repeat is not None:
            raise TypeError("a `with` block runs once: `warmup` and `repeat` are for a decorator, or for `.run(function)`")
        if self.directory is not None:
            raise RuntimeError("this check has begun already")
        self.command = find_binary(self.binary)
        self.directory = tempfile.mkdtemp(prefix="retainers-")
        try:
            agent._package_core()  # loaded now, not between the dumps
            _collect()
            forks = sys.platform.startswith("linux") and hasattr(os, "fork")
            self.dumping = agent.dump(self._path("before"), fork=forks, wait=not forks, timeout=self.timeout)
            self.before = _counts(), gc.get_freeze_count()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind, value, traceback):
        __tracebackhide__ = True
        try:
            message = None if kind is not None else self._verdict()
        finally:
            self._end()
        if message is not None:
            raise message
        return False

    def _path(self, which):
        return os.path.join(self.directory, which + ".jsonl")

    def _end(self):
        """Lets go of everything, the first dump included that may still be written."""
        if type(self.dumping) is agent.Running:
            self.dumping.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = self.before = self.dumping = None

    def _verdict(self):
        """The error to raise, or `None`."""
        __tracebackhide__ = True
        _collect()
        rules = self._grown_types()
        if not rules:
            return None
        if type(self.dumping) is agent.Running:
            self.dumping.result(self.timeout)
        agent.dump(self._path("after"), timeout=self.timeout)
        violated = [rule for rule in self._ask(rules, ["--json"])["rules"] if not rule["holds"]]
        return self._error(violated) if violated else None

    # -- what grew ---------------------------------------------------------------------------------------------------

    def _grown_types(self):
        """`(name, limit)` of the types to ask about: that have more objects now, or that cannot be counted here."""
        __tracebackhide__ = True
        (before, frozen), now = self.before, _counts()
        more = {name: count - before.get(name, 0) for name, count in now.items()}
        uncounted = set()
        if not self.types:
            asked = [name for name in more if more[name] > 0 and _is_programs(name)]
        else:
            uncounted = _matching(self.types, before, now)
            if frozen != gc.get_freeze_count():
                uncounted.update(now)  # what was frozen meanwhile is in no list of the collector's
            asked = [name for name in uncounted.union(now) if _is_asked(self.types, name)]
        rules = [(name, self._limit(name)) for name in asked]
        rules = [(name, limit) for name, limit in rules if name in uncounted or more[name] > limit]
        rules.sort(key=lambda rule: (-more.get(rule[0], 0), rule[0]))
        return rules if self.types else rules[:MOST_TYPES]

    def _limit(self, name):
        # not `default=0`: the interpreter would make a tuple of that word, and keep it
        return max([0] + [number for asked, number in self.allow.items() if _names_type(asked, name)])

    def _ask(self, rules, options):
        """What `retainers check` says: its data, or its text."""
        command = [self.command, "check", self._path("after"), "--baseline", self._path("before"), "--no-index", "--quiet",
                   "--color", "never"]
        command += ["--max-growth=%s=%d" % rule for rule in rules] + ["--allow=%s" % way for way in self.allow_ways] + options
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError("%s check: %s" % (self.command, done.stderr.decode("utf-8", "replace").strip()))
        text = done.stdout.decode("utf-8", "replace")
        return json.loads(text) if "--json" in options else text

    # -- in words ----------------------------------------------------------------------------------------------------

    def _error(self, violated):
        caller = _caller()
        found = {rule["rule"][len("max-growth "):].rpartition("=")[0]: rule for rule in violated}
        outer, inner = _outer_and_inner(found)
        texts = _sections(self._ask([(name, self._limit(name)) for name in outer[:SHOWN]], []))
        grown = [_grown(name, found[name]) for name in outer + inner]
        parts = []
        for one, text in zip(grown, texts):
            parts.append("\n".join([_growth_text(one)] + text + _hints(found[one.type], caller)))
        more = [_growth_text(one) for one in grown[SHOWN:len(outer)]]
        if more:
            parts.append("also: " + "; ".join(more))
        if inner:
            parts.append("and, held by those: " + "; ".join(map(_growth_text, grown[len(outer):len(outer) + 10]))
                         + ("; …" if len(inner) > 10 else ""))
        parts.append(_how_to_allow(grown[0]))
        try:
            dumps = self._keep()
        except OSError as error:  # what was found is still told
            dumps = ()
            parts.append("not kept: %s" % error)
        if dumps:
            parts.append("kept: %s, %s" % dumps)
        return GrowthError("\n\n".join(parts), grown, dumps)

    def _keep(self):
        """Moves the dumps to where they are kept, compressed; their paths."""
        keep, label = self.keep, self.label
        if keep is None and retainers._kept is not None:
            keep, label = retainers._kept
        if keep is None:
            return ()
        import gzip

        os.makedirs(keep, exist_ok=True)
        paths = []
        number = agent._next_number()
        for which in ("before", "after"):
            path = os.path.join(os.fspath(keep), "%s-%d-%d-%s.jsonl.gz" % (label, os.getpid(), number, which))
            with open(self._path(which), "rb") as source, gzip.open(path, "wb", 3) as target:
                shutil.copyfileobj(source, target)
            paths.append(path)
        return tuple(paths)


# ------------------------------------------------------------------------------------------------------------- counting

def _collect():
    """Collects what is garbage, and what its finalizers leave."""
    for _ in range(5):
        if not gc.collect():
            break


def _counts():
    """`{qualified name: instances}` of the classes that the collector tracks all instances of.

    Names, since a class that is held here would stay alive; by address meanwhile, since a class may say what equals it."""
    classes = list(map(type, gc.get_objects()))
    by_address = dict(zip(map(id, classes), classes))
    counts = {}
    for address, count in collections.Counter(map(id, classes)).items():
        cls = by_address[address]
        if _is_counted(cls):
            name = agent.type_name(cls)
            counts[name] = counts.get(name, 0) + count
    return counts


def _is_counted(cls):
    """Whether all instances of a class are in the lists of the collector: it made them so, and is no built-in type, some of
    which leave those lists."""
    flags = agent._FLAGS(cls)
    return bool(flags & agent._HEAP_TYPE and flags & agent._HAS_GC)


def _matching(asked, before, now):
    """Names of the asked types whose objects are not counted here. Raises `ValueError` where a name is that of no class."""
    __tracebackhide__ = True
    names, uncounted = set(before).union(now), set()
    for cls in _classes():
        name = agent.type_name(cls)
        names.add(name)
        if not _is_counted(cls) and _is_asked(asked, name):
            uncounted.add(name)
    for one in asked:
        if not any(_names_type(one, name) for name in names):
            bare = {}
            for name in sorted(names):
                bare.setdefault(name.rpartition(".")[2], name)
            # a class of the program is meant rather than one of the interpreter's
            near = sorted([bare[name] for name in _near(one, bare)] + _near(one, names), key=lambda name: not _is_programs(name))
            raise ValueError("no class of this process is named %r%s" % (one, _did_you_mean(list(dict.fromkeys(near))[:3])))
    return uncounted


def _near(name, names):
    """Those that look like a name, the nearest first."""
    import difflib

    return difflib.get_close_matches(name, list(names), 3)


def _did_you_mean(near):
    return "; did you mean %s?" % ", ".join(near) if near else ""


def _classes():
    """All classes of the process."""
    found, waiting = {id(object): object}, [object]
    while waiting:
        cls = waiting.pop()
        # a metaclass is asked as the class that it is, not as one that makes classes
        for one in _subclasses(cls):
            if id(one) not in found:
                found[id(one)] = one
                waiting.append(one)
    return found.values()


def _name_of(asked):
    return agent.type_name(asked) if isinstance(asked, type) else asked


def _is_asked(asked, name):
    return any(_names_type(one, name) for one in asked)


def _names_type(asked, name):
    """Whether a type is meant, as the command understands names."""
    if "*" in asked or "?" in asked:
        return _matches(asked, name)
    return name == asked or asked == "builtins." + name or name.endswith("." + asked)


def _matches(pattern, text):
    """Whether a glob of `*` and `?` matches; `fnmatch` knows `[…]` as well, and remembers patterns, which would be growth."""
    p = t = 0
    star = None
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p, t = p + 1, t + 1
        elif star is not None:
            star = star[0], star[1] + 1  # it takes one more
            p, t = star[0] + 1, star[1]
        else:
            return False
    return not pattern[p:].strip("*")


def _is_programs(name):
    """Whether a class is neither the standard library's nor a test runner's."""
    top = name.partition(".")[0]
    if top == "__main__":
        return True
    if top in _TOOLS or top in sys.builtin_module_names or top == name:
        return False
    module = sys.modules.get(top)
    file = agent._MODULE_DICT(module).get("__file__") if type(module) is types.ModuleType else None
    if type(file) is not str:
        return top not in getattr(sys, "stdlib_module_names", ())
    file = os.path.abspath(file)
    return not file.startswith(_STANDARD_LIBRARY) or "site-packages" in file or "dist-packages" in file


# ----------------------------------------------------------------------------------------------------------------- calls

def _wrapper(check, function):
    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        for _ in range(1 if check.warmup is None else check.warmup):
            function(*args, **kwargs)
        with check._fresh():
            for _ in range(check.repeat or 1):
                # what it returns is dropped: here it would count
                function(*args, **kwargs)

    return wrapper


def _of_program(wrapper, function):
    """The wrapper as a function of a module that is not this package's: dumps take the frames of this package, and what only
    they hold, for their own, and the arguments are the program's."""
    namespace = {"__builtins__": __builtins__, "__name__": "retainers.call"}
    made = types.FunctionType(wrapper.__code__, namespace, wrapper.__name__, None, wrapper.__closure__)
    return functools.update_wrapper(made, function)


# ----------------------------------------------------------------------------------------------------------------- words

def _caller():
    """The name of the function that the check is in."""
    frame = sys._getframe()
    while frame is not None and (agent._is_own_frame(frame) or frame.f_code.co_filename == __file__):
        frame = frame.f_back
    return None if frame is None else getattr(frame.f_code, agent._CODE_NAME)


def _outer_and_inner(found):
    """Names of the types that grew: those that are held by no other of them, and the rest; those that grew most first."""
    def others(name):
        for violation in found[name]["violations"]:
            steps = violation["chain"]["steps"][:-1] if violation["chain"] else ()
            yield any(step["type"] in found and step["type"] != name for step in steps)

    names = sorted(found, key=lambda name: (-found[name]["found"], name))
    inner = [name for name in names if found[name]["violations"] and all(others(name))]
    outer = [name for name in names if name not in inner]
    return (outer, inner) if outer else (names, [])


def _grown(name, rule):
    ways = [violation for violation in rule["violations"] if violation["fingerprint"]]
    chain = ways[0]["chain"] if ways else None
    sites = [line for way in ways for line, _ in way["chain"]["sites"]["lines"]]
    return Grown(name, rule["before"], rule["before"] + rule["found"], [way["fingerprint"] for way in ways],
                 chain and chain["expression"], list(dict.fromkeys(sites)))


def _growth_text(grown):
    return "%s grew by %d, from %d to %d" % (grown.type, grown.after - grown.before, grown.before, grown.after)


def _sections(text):
    """The lines of the chains of each violated rule."""
    sections = []
    for line in text.splitlines():
        if line.startswith("violated "):
            sections.append([])
        elif sections and not line.startswith(("note: ", "%d rule" % len(sections))):
            sections[-1].append(line)
    return ["\n".join(lines).strip("\n").splitlines() for lines in sections]


def _hints(rule, caller):
    """What to do where variables of the test itself hold the objects."""
    for violation in rule["violations"]:
        root = violation["chain"]["root"] if violation["chain"] else None
        if root and root["kind"] == "frame" and caller and root["name"].partition(" in ")[0] == caller:
            return ["     a variable of %s itself: what the block leaves there counts; `del` it, or do the work in a "
                    "function" % caller]
    return []


def _how_to_allow(grown):
    text = "to allow it: allow={%r: %d}" % (grown.type, grown.after - grown.before)
    return text + (", or allow_ways=%r for all that is held so" % (grown.ways,) if grown.ways else "")
