"""Tests as the author of a library writes them: half of them find a leak. Run by `test_plugin.py` and `wheel.py`, in a copy
beside `shop.py`."""

import logging
import unittest

import pytest
import retainers
import shop


@pytest.mark.no_growth("Session", repeat=3)
def test_marked_leaks():
    shop.visit(leaks=True)


@pytest.mark.no_growth("Session", repeat=3)
def test_marked_fixed():
    session = shop.Session(1)
    shop.visit()
    logging.getLogger("shop").info("visited by %d", session.number)


def test_part_leaks(assert_no_growth):
    with assert_no_growth("Session"):
        shop.visit(leaks=True)


def test_part_fixed(assert_no_growth):
    with assert_no_growth("Session"):
        shop.visit()


@pytest.mark.no_growth(warmup=5, repeat=2)
class TestMethods:
    @pytest.mark.parametrize("leaks", [True, False], ids=["leaks", "fixed"])
    def test_method(self, leaks, tmp_path):
        shop.visit(leaks)


def test_direct_leaks(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with retainers.assert_no_growth("Session"):
        shop.visit(leaks=True)


@pytest.mark.no_growth("Sesion")
def test_name_that_leaks_nothing():
    pass


@pytest.mark.no_growth("Session", repeats=2)
def test_argument_that_leaks_nothing():
    pass


def test_argument_of_the_fixture_that_leaks_nothing(assert_no_growth):
    with assert_no_growth("Session", alow=2):
        pass


@pytest.mark.no_growth
class TestCase(unittest.TestCase):
    def test_refused(self):
        pass


@pytest.mark.no_growth
async def test_refused():
    pass
