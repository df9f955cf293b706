"""Our dump against what other tools find in the same process, where they are importable."""

import gc
import unittest

from .heap import captured


class Holder:
    def __init__(self, held):
        self.held = held


class Held:
    pass


HOLDERS = [Holder(Held()) for _ in range(50)]


class Peers(unittest.TestCase):
    def test_the_collector(self):
        """Types by count: those that are tracked, and no more of a class than there are."""
        heap = captured()
        tracked = gc.get_objects()
        for cls in (Holder, Held):
            self.assertEqual(heap.types()[__name__ + "." + cls.__name__], sum(type(obj) is cls for obj in tracked))

    def test_objgraph(self):
        try:
            import objgraph
        except ImportError:
            self.skipTest("objgraph is not importable")
        heap = captured()
        self.assertEqual(heap.types()[__name__ + ".Held"], objgraph.count("Held"))
        held = HOLDERS[7].held
        chain = objgraph.find_backref_chain(held, objgraph.is_proper_module)
        for holder, target in zip(chain, chain[1:]):
            self.assertIn(id(target), heap.of(holder)["refs"], type(holder))

    def test_guppy(self):
        try:
            import guppy
        except ImportError:
            self.skipTest("guppy3 is not importable")
        heap = captured()
        found = guppy.hpy().heap() & Holder
        self.assertEqual(heap.types()[__name__ + ".Holder"], found.count)


if __name__ == "__main__":
    unittest.main()
