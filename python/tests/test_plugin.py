"""The plugin, in a pytest of its own, where this interpreter has pytest."""

import importlib.util
import os
import shutil
import subprocess
import sys
import unittest

from .heap import PACKAGE, Directory, command

COMMAND = command()
TESTS = os.path.dirname(os.path.abspath(__file__))


def outcomes(python, directory, *options, **environment):
    """`{test: outcome}` of the sample in a pytest of its own, and what that wrote."""
    for name in ("shop.py", "pytest_sample.py"):
        shutil.copy(os.path.join(TESTS, name), directory)
    done = subprocess.run([python, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "pytest_sample.py", *options], cwd=directory,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, COLUMNS="200", **environment))
    text = done.stdout.decode("utf-8", "replace")
    found = {}
    for line in text.splitlines():
        outcome, _, rest = line.partition(" ")
        if outcome in ("PASSED", "FAILED", "ERROR") and "::" in rest:
            found[rest.partition("::")[2].partition(" - ")[0]] = outcome.lower()
    return found, text


def judge(found, text):
    """Raises `AssertionError` where an outcome is not what the name of its test says."""
    assert len(found) == 12, text
    for test, outcome in found.items():
        expected = "failed" if "leaks" in test else "error" if "refused" in test else "passed"
        assert outcome == expected, "%s: %s\n%s" % (test, outcome, text)
    for words in ("shop.Session grew by 3, from 1 to 4", "shop.Session grew by 1, from ", "held by module shop", ".OPEN[…]",
                  "and, held by those: shop.Item grew by 6", "to allow it: allow={'shop.Session': 3}", "the marker `no_growth` is for tests",
                  "no class of this process is named 'Sesion'; did you mean shop.Session",
                  "in the marker `no_growth` of test_argument_that_leaks_nothing: assert_no_growth has no argument 'repeats'; did you "
                  "mean repeat?", "assert_no_growth has no argument 'alow'; did you mean allow?"):
        assert words in text, "%s: not in\n%s" % (words, text)
    # every failure shows the test, and nothing of the package
    # before 3.10, the end of a `with` is on the last line of its body
    for places in (("12: GrowthError",), ("25: GrowthError", "26: GrowthError"), ("43: GrowthError", "44: GrowthError"),
                   ("47: ValueError",), ("52: in the marker",), ("58: TypeError",)):
        assert any("pytest_sample.py:" + place in text for place in places), "%s: not in\n%s" % (places, text)
    assert "growth.py:" not in text and "pytest_plugin.py:" not in text, text


@unittest.skipIf(COMMAND is None, "the command `retainers` is not built; set RETAINERS_BINARY")
@unittest.skipIf(importlib.util.find_spec("pytest") is None, "this interpreter has no pytest")
class Plugin(unittest.TestCase):
    def test_the_sample(self):
        with Directory() as directory:
            found, text = outcomes(sys.executable, directory.path, "-p", "retainers.pytest_plugin", "--retainers-keep", "kept",
                                   PYTHONPATH=PACKAGE, RETAINERS_BINARY=COMMAND)
            judge(found, text)
            kept = sorted(os.listdir(directory.join("kept")))
        self.assertEqual(len(kept), 8)
        self.assertTrue(kept[0].startswith("pytest_sample.py--TestMethods--test_method-leaks-"), kept)

    def test_nothing_is_imported_before_it_is_used(self):
        code = ("import sys, pytest; before = set(sys.modules); import retainers.pytest_plugin; "
                "print(sorted(set(sys.modules) - before))")
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=dict(os.environ, PYTHONPATH=PACKAGE))
        self.assertEqual(done.stdout.decode().strip(), "['retainers', 'retainers.pytest_plugin']")


if __name__ == "__main__":
    unittest.main()
