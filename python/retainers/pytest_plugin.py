"""The plugin for pytest, which pytest finds by itself where the package is installed.

    @pytest.mark.no_growth("Session", repeat=10)     # the whole test, after one warm-up run
    def test_visit():
        shop.visit()

    def test_sign_in(assert_no_growth):              # a part of a test
        with assert_no_growth("Session"):
            shop.visit()

Nothing of the check is imported before a test uses it.
"""

import os

import pytest

import retainers

MARKER = """no_growth(*types, allow=0, allow_ways=(), warmup=1, repeat=1): run the test's function warmup times, then repeat times, \
and fail when these left more objects of the program's classes alive (retainers)"""


def pytest_addoption(parser):
    parser.getgroup("retainers", "objects that are kept alive").addoption(
        "--retainers-keep", metavar="DIR", help="keep the heap dumps of all checks that fail because something grew in this directory, those included that call "
        "retainers.assert_no_growth themselves")


def pytest_configure(config):
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def assert_no_growth(request):
    """`retainers.assert_no_growth`."""
    def check(*types, **options):
        __tracebackhide__ = True
        from .growth import assert_no_growth as make

        return make(*types, **options)

    return check


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    keep = item.config.getoption("--retainers-keep")
    if keep is not None:
        # where pytest was called: a test may go elsewhere
        retainers._kept = os.path.join(str(item.config.invocation_params.dir), keep), _label(item)
    yield
    retainers._kept = None


def pytest_runtest_setup(item):
    if item.get_closest_marker("no_growth") is not None and not _is_plain(item):
        pytest.fail("the marker `no_growth` is for tests that are plain functions or methods; in an asynchronous test use the "
                    "context manager `retainers.assert_no_growth`, in a `unittest.TestCase` that or the decorator", pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    marker = pyfuncitem.get_closest_marker("no_growth")
    if marker is None:
        yield
        return
    from .growth import assert_no_growth

    function = pyfuncitem.obj
    path, line = _place(pyfuncitem)
    check = wrong = None
    try:
        check = assert_no_growth(*marker.args, **marker.kwargs)
    except (TypeError, ValueError) as error:
        wrong = str(error)
    if wrong is not None:
        pytest.fail("%s:%d: in the marker `no_growth` of %s: %s" % (path, line, pyfuncitem.name, wrong), pytrace=False)
    pyfuncitem.obj = _in_place(check(function), path, line, pyfuncitem)
    yield
    pyfuncitem.obj = function


def _place(item):
    """File and line of a test."""
    code = getattr(getattr(item.obj, "__func__", item.obj), "__code__", None)
    if code is None:
        return str(item.location[0]), (item.location[1] or 0) + 1
    return code.co_filename, code.co_firstlineno


def _in_place(call, path, line, item):
    """A function that calls, as if it stood where the test does: that is what a failure shows."""
    import functools

    name = item.originalname if item.originalname and item.originalname.isidentifier() else "test"
    namespace = {"call": call}
    exec(compile("\n" * (line - 1) + "def %s(*args, **kwargs): call(*args, **kwargs)" % name, path, "exec"), namespace)
    return functools.update_wrapper(namespace.pop(name), call)


def _label(item):
    """The name of a test as the beginning of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in item.nodeid.rpartition("/")[2])[:100]


def _is_plain(item):
    """Whether the test is called as a function, and is done when that returns."""
    import inspect
    import unittest

    function = getattr(item, "obj", None)
    is_of_case = getattr(item, "cls", None) is not None and issubclass(item.cls, unittest.TestCase)
    return isinstance(item, pytest.Function) and not is_of_case and not (
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function))
