"""`retainers.assert_no_growth`: what fails a test, what does not, and what the failure says."""

import gc
import os
import sys
import unittest
import weakref

import retainers
from retainers import growth

from . import shop
from .heap import IS_SHORT, Directory, command, run

if IS_SHORT:
    raise unittest.SkipTest("on the newest CPython alone")

COMMAND = command()
SHOP = shop.__name__


def check(*types, **options):
    return retainers.assert_no_growth(*types, binary=COMMAND, **options)


@unittest.skipIf(COMMAND is None, "the command `retainers` is not built; set RETAINERS_BINARY")
class NoGrowth(unittest.TestCase):
    def setUp(self):
        for kept in (shop.OPEN, shop.RECENT, shop.RECEIVERS):
            kept.clear()
        for kind in range(3):
            shop.price(kind)

    tearDown = setUp

    # -- what grew ---------------------------------------------------------------------------------------------------

    def test_a_leak_is_told_with_its_chain(self):
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session"):
                for _ in range(10):
                    shop.visit(leaks=True)
        lines = str(failed.exception).splitlines()
        self.assertEqual(lines[0], SHOP + ".Session grew by 10, from 0 to 10")
        text = "\n".join(lines)
        self.assertIn("held by module %s" % SHOP, text)
        self.assertIn(".OPEN[…]", text)
        grown, = failed.exception.grown
        self.assertEqual((grown.type, grown.before, grown.after), (SHOP + ".Session", 0, 10))
        self.assertEqual(grown.expression, SHOP + ".OPEN[…]")
        self.assertRegex(grown.ways[0], "^[0-9a-f]{12}$")
        self.assertIn("to allow it: allow={'%s.Session': 10}, or allow_ways=['%s']" % (SHOP, grown.ways[0]), text)
        self.assertIsInstance(failed.exception, AssertionError)

    def test_nothing_grows(self):
        with check():
            for _ in range(10):
                shop.visit()
                shop.RECENT.clear()

    def test_without_names_the_outermost_comes_first(self):
        shop.RECENT.extend([shop.Order(0)] * 5)
        with self.assertRaises(retainers.GrowthError) as failed:
            with check(allow={"Order": 5}):
                for _ in range(3):
                    shop.visit(leaks=True)
        self.assertEqual([one.type.rpartition(".")[2] for one in failed.exception.grown], ["Session", "Item"])
        text = str(failed.exception)
        self.assertTrue(text.startswith(SHOP + ".Session grew by 3, from 0 to 3\n"), text)
        self.assertIn("and, held by those: %s.Item grew by 9, from 0 to 9" % SHOP, text)
        self.assertNotIn(".basket", text)

    def test_only_ways_that_grew_are_told(self):
        shop.RECEIVERS.extend(shop.Session(number) for number in range(7))
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session"):
                shop.visit(leaks=True)
        self.assertTrue(str(failed.exception).startswith(SHOP + ".Session grew by 1, from 7 to 8\n"), str(failed.exception))
        self.assertNotIn("RECEIVERS", str(failed.exception))

    def test_cycles_are_collected_first(self):
        gc.disable()
        try:
            with check("Request", "Reply"):
                shop.visit()
        finally:
            gc.enable()

    def test_what_a_finalizer_leaves_is_collected(self):
        class Left:
            pass

        class Leaving:
            def __del__(self):
                left = Left()
                left.itself = left

        with check("Left", "Leaving"):
            leaving = Leaving()
            leaving.itself = leaving
            del leaving

    def test_the_closure_of_a_receiver(self):
        def subscribe():
            shop.subscribe(shop.Session(1), leaks=True)

        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session"):
                subscribe()
        self.assertIn("RECEIVERS[0].__closure__[0].cell_contents", failed.exception.grown[0].expression)

    def test_objects_that_the_collector_does_not_know(self):
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Label"):
                shop.RECEIVERS.extend(shop.Label("number %d" % number) for number in range(4))
        self.assertTrue(str(failed.exception).startswith(SHOP + ".Label grew by 4, from 0 to 4\n"), str(failed.exception))
        with check("Label"):
            shop.Label("gone")

    def test_a_growth_of_builtin_types(self):
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("function"):
                for _ in range(50):
                    shop.subscribe(None, leaks=True)
        self.assertTrue(str(failed.exception).startswith("function grew by 50, "), str(failed.exception))

    def test_variables_of_the_test_count_and_are_told(self):
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session"):
                session = shop.Session(0)
        self.assertIn("a variable of ", str(failed.exception))
        del session
        with check("Session"):
            session = shop.Session(0)
            del session

    def test_what_a_local_object_keeps_is_a_leak(self):
        """A cache that the test made is held by nothing but the test."""
        cache = {}
        with self.assertRaises(retainers.GrowthError):
            with check("Session"):
                cache[1] = shop.Session(1)
        cache.clear()

    # -- what counts -------------------------------------------------------------------------------------------------

    def test_allowed(self):
        shop.visit(leaks=True)
        for allow in (3, {"Session": 3}, {SHOP + ".*": 3}, {shop.Session: 3}):
            with self.subTest(allow=allow), check("Session", allow=allow):
                for _ in range(3):
                    shop.visit(leaks=True)
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session", allow={"Session": 2, "Item": 10}):
                for _ in range(3):
                    shop.visit(leaks=True)
        way, = failed.exception.grown[0].ways
        for ways in (way, [way]):
            with check("Session", allow_ways=ways):
                shop.visit(leaks=True)
        with self.assertRaises(retainers.GrowthError):
            with check("Session", allow_ways=way):
                shop.RECEIVERS.append(shop.Session(1))

    def test_names(self):
        for named in ("Session", SHOP + ".Session", SHOP + ".*", "*.Sess?on", shop.Session):
            with self.subTest(named=named), self.assertRaises(retainers.GrowthError):
                with check(named):
                    shop.visit(leaks=True)
        with check("Price", "Reply"):
            shop.visit(leaks=True)

    def test_a_name_of_nothing(self):
        with self.assertRaisesRegex(ValueError, "no class of this process is named 'Sesion'; did you mean .*Session"):
            with check("Sesion"):
                pass

    def test_globs(self):
        for pattern, text, is_so in (("a*c", "abbc", True), ("a*c", "abcd", False), ("*", "", True), ("a?c", "abc", True),
                                     ("a?c", "ac", False), ("*b*b", "abab", True), ("[a]*", "a", False), ("[a]*", "[a]b", True),
                                     ("**", "x", True), ("a*b*c", "a-b-b-c-c", True), ("*.A", "m.B.A", True), ("x*", "ax", False)):
            self.assertEqual(growth._matches(pattern, text), is_so, (pattern, text))

    def test_the_program_and_not_the_standard_library(self):
        import decimal
        import http.client

        self.assertTrue(growth._is_programs(SHOP + ".Session"))
        self.assertTrue(growth._is_programs("__main__.Session"))
        for name in ("dict", "http.client.HTTPConnection", "decimal.Context", "_thread.lock", "_pytest.nodes.Item",
                     "retainers.agent.Dump", "unittest.case.TestCase"):
            self.assertFalse(growth._is_programs(name), name)
        self.assertTrue(decimal and http.client)

    def test_the_check_itself_is_no_growth(self):
        """Not even of built-in types, in a process that did nothing else."""
        output, _ = run("""
import sys, retainers
def nothing(): pass
def test():
    with retainers.assert_no_growth(*sys.argv[2:], binary=sys.argv[1]): nothing()
for _ in range(2):
    with retainers.assert_no_growth(binary=sys.argv[1]): nothing()
test()
test()
print("holds")
""", COMMAND, "tuple", "list", "dict", "str", "bytes", "int", "function", "cell", "method", "type", "frame", weakref.ref.__name__)
        self.assertEqual(output.strip(), "holds")

    def test_no_frame_of_the_check_holds(self):
        with self.assertRaises(retainers.GrowthError) as failed:
            check("Session", repeat=2).run(lambda: shop.visit(leaks=True))
        self.assertNotIn("retainers", failed.exception.grown[0].expression)

    # -- as a decorator ----------------------------------------------------------------------------------------------

    def test_a_decorator_warms_up(self):
        calls = []

        @check("Price", "Session", warmup=2, repeat=3)
        def work(*args, **kwargs):
            """What it does."""
            calls.append((args, kwargs))
            shop.visit()

        shop.PRICES.clear()
        self.assertIsNone(work(1, two=2))
        self.assertEqual(calls, [((1,), {"two": 2})] * 5)
        self.assertEqual((work.__name__, work.__doc__), ("work", "What it does."))
        shop.PRICES.clear()
        with self.assertRaises(retainers.GrowthError):
            check("Price", warmup=0).run(shop.visit)
        check("Session").run(shop.visit)

    def test_a_decorated_function_is_checked_each_time(self):
        work = check("Session", repeat=4)(shop.visit)
        work()
        for _ in range(2):
            with self.assertRaises(retainers.GrowthError) as failed:
                work(leaks=True)
            self.assertIn("grew by 4,", str(failed.exception))

    def test_arguments_are_the_programs(self):
        """What only an argument holds is found, and by it."""
        def work(kept):
            kept.append(shop.Session(0))

        with self.assertRaises(retainers.GrowthError) as failed:
            check("Session", warmup=0, repeat=3)(work)([])
        self.assertIn(".Session grew by 3, from 0 to 3\n", str(failed.exception))
        self.assertIn("args[0]", failed.exception.grown[0].expression.replace("f_locals['args']", "args"))

    def test_what_a_call_returns_is_let_go(self):
        check("Session", repeat=2).run(lambda: shop.Session(0))

    def test_what_cannot_be_decorated(self):
        async def later():
            pass

        def generator():
            yield

        for wrong in (later, generator, NoGrowth, 3):
            with self.subTest(wrong=wrong), self.assertRaises(TypeError):
                check()(wrong)

    # -- failures of other kinds -------------------------------------------------------------------------------------

    def test_an_error_of_the_block_goes_on(self):
        with Directory() as directory:
            with self.assertRaises(KeyError):
                with check("Session", keep=directory.path):
                    shop.visit(leaks=True)
                    raise KeyError
            self.assertEqual(os.listdir(directory.path), [])

    def test_bad_arguments(self):
        for options in ({"allow": -1}, {"allow": {"Session": "3"}}, {"repeat": 0}, {"warmup": -1}):
            with self.subTest(options=options), self.assertRaises(ValueError):
                check(**options)
        with self.assertRaises(TypeError):
            check(3)
        with self.assertRaisesRegex(TypeError, "a `with` block runs once"):
            with check(repeat=3):
                pass
        with self.assertRaises(FileNotFoundError):
            with retainers.assert_no_growth(binary="no-such-command"):
                pass
        with self.assertRaisesRegex(RuntimeError, "expected a fingerprint"):
            with check("Session", allow_ways="much"):
                shop.visit(leaks=True)

    def test_nothing_is_left_behind(self):
        with Directory() as directory:
            output, _ = run("""
import gc, os, sys, tempfile, retainers
class Kept: pass
kept = []
def test(leaks):
    with retainers.assert_no_growth("Kept", binary=sys.argv[1]):
        if leaks: kept.append(Kept())
test(False)
try: test(True)
except retainers.GrowthError as error: print(str(error).splitlines()[0])
print(os.listdir(tempfile.gettempdir()))
try: print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError: print("no child")
""", COMMAND, environment={"TMPDIR": directory.path})
        self.assertEqual(output.splitlines(), ["__main__.Kept grew by 1, from 0 to 1", "[]", "no child"])

    def test_dumps_are_kept(self):
        with Directory() as directory:
            with check("Session", keep=directory.path):
                shop.visit()
            self.assertEqual(os.listdir(directory.path), [])
            with self.assertRaises(retainers.GrowthError) as failed:
                with check("Session", keep=directory.join("new")):
                    shop.visit(leaks=True)
            before, after = failed.exception.dumps
            self.assertEqual(sorted(os.listdir(directory.join("new"))), sorted(map(os.path.basename, (before, after))))
            self.assertIn("kept: %s, %s" % (before, after), str(failed.exception))
            import gzip

            with gzip.open(after, "rt", encoding="utf-8") as file:
                self.assertIn('"end"', file.read().splitlines()[-1])

    def test_no_object_is_kept_by_the_failure(self):
        shop.visit(leaks=True)
        session, = shop.OPEN.values()
        gone = weakref.ref(session)
        del session
        with self.assertRaises(retainers.GrowthError) as failed:
            with check("Session"):
                shop.visit(leaks=True)
        shop.OPEN.clear()
        gc.collect()
        self.assertIsNone(gone())
        self.assertTrue(failed.exception)

    def test_the_line_that_made_them(self):
        output, _ = run("""
import sys, tests.shop as shop, retainers
try: retainers.assert_no_growth("Item", binary=sys.argv[1]).run(shop.visit, True)
except retainers.GrowthError as error: print(error, error.grown[0].sites, sep="\\n")
import tracemalloc; tracemalloc.stop()
""", COMMAND, environment={"PYTHONTRACEMALLOC": "1"})
        if sys.version_info[:2] != (3, 11):
            self.assertRegex(output.splitlines()[-1], r"^\['.*shop\.py:\d+'\]$")
            self.assertRegex(output, r"allocated at .*shop\.py:\d+")
        self.assertNotIn("agent.py", output)

    def test_classes_are_not_asked_anything(self):
        """No method of a metaclass runs."""
        asked = []

        class Meta(type):
            def __eq__(cls, other):
                asked.append("eq")
                return False

            def __hash__(cls):
                asked.append("hash")
                return 1

            def __subclasses__(cls):
                asked.append("subclasses")
                return []

        class Watched(metaclass=Meta):
            @property
            def __class__(self):
                asked.append("class")
                return int

        kept = []
        with self.assertRaises(retainers.GrowthError):
            with check("Watched", "str"):
                kept.append(Watched())
        self.assertEqual(asked, [])

    def test_a_class_can_die(self):
        class Short:
            pass

        gone, classes = weakref.ref(Short), [Short]
        kept = [Short()]
        del Short
        with check("Session"):
            del kept[:], classes[:]
            gc.collect()
            self.assertIsNone(gone())


class Import(unittest.TestCase):
    def test_the_package_imports_next_to_nothing(self):
        output, _ = run("import sys; before = set(sys.modules); import retainers; print(sorted(set(sys.modules) - before))")
        self.assertEqual(output.strip(), "['retainers']")

    def test_names_of_the_package(self):
        self.assertIs(retainers.GrowthError, growth.GrowthError)
        with self.assertRaises(AttributeError):
            retainers.no_such_name


if __name__ == "__main__":
    unittest.main()
