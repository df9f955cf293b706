"""The plugin for pytest, which pytest finds by itself where the package is installed.

    @pytest.mark.no_growth("Session", repeat=10)     # the whole test, after one warm-up run
    def test_visit():
        shop.visit()

    def test_sign_in(assert_no_growth):              # a part of a test
        with assert_no_growth("Session"):
            shop.visit()

Nothing of the check is imported before a test uses it.
"""

import pytest

MARKER = """no_growth(*types, allow=0, allow_ways=(), warmup=1, repeat=1): run the test's function warmup times, then repeat times, \
and fail when these left more objects of the program's classes alive (retainers)"""


def pytest_addoption(parser):
    parser.getgroup("retainers", "objects that are kept alive").addoption(
        "--retainers-keep", metavar="DIR", help="keep the heap dumps of tests that fail because something grew in this directory")


def pytest_configure(config):
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def assert_no_growth(request):
    """`retainers.assert_no_growth`, which keeps the dumps of a failure where `--retainers-keep` says."""
    label, keep = _label(request.node), request.config.getoption("--retainers-keep")

    def check(*types, **options):
        return _check(types, options, label, keep)

    return check


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
    function = pyfuncitem.obj
    check = _check(marker.args, marker.kwargs, _label(pyfuncitem), pyfuncitem.config.getoption("--retainers-keep"))
    pyfuncitem.obj = check(function)
    yield
    pyfuncitem.obj = function


def _check(types, options, label, keep):
    from .growth import assert_no_growth

    check = assert_no_growth(*types, **dict({"keep": keep}, **options))
    check.label = label
    return check


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
