"""Take heap dumps of a living Python process, and ask who keeps an object alive.

Importing this package imports next to nothing; each function brings what it needs when it is first used.

    import retainers
    retainers.dump("heap.jsonl.gz")           # one dump, now
    retainers.install(rss_limit="2GiB")       # dumps on a signal, on MemoryError, past a memory limit
    retainers.why(obj)                        # the chain that keeps `obj` alive
    with retainers.assert_no_growth(): …      # a test: fails when something is retained
"""

__version__ = "0.1.0"
#: Where the dumps of checks that fail are kept, and how they are called, while the plugin for pytest says so.
_kept = None
__all__ = ["GrowthError", "assert_no_growth", "dump", "install", "why"]


def dump(target, **options):
    """Writes a heap dump of this process to `target`; see `retainers.agent.dump`."""
    from .agent import dump as write

    return write(target, **options)


def install(**options):
    """Installs triggers that write dumps; see `retainers.triggers.install`."""
    from .triggers import install as start

    return start(**options)


def why(obj, **options):
    """Says who keeps `obj` alive; see `retainers.explain.why`."""
    from .explain import why as explain

    return explain(obj, **options)


def assert_no_growth(*types, **options):
    """A context manager and decorator for tests, which fails when objects are retained; see
    `retainers.growth.assert_no_growth`."""
    __tracebackhide__ = True
    from .growth import assert_no_growth as check

    return check(*types, **options)


def __getattr__(name):
    if name == "GrowthError":
        from .growth import GrowthError

        return GrowthError
    raise AttributeError("module %r has no attribute %r" % (__name__, name))
