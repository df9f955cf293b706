"""What the header of a dump says of the memory of the process."""

import gc
import os
import re
import subprocess
import sys
import unittest

from retainers import agent

from .heap import PACKAGE, Directory, captured, dump_of

HAS_FORK = hasattr(os, "fork")
IS_LINUX = sys.platform.startswith("linux")


@unittest.skipUnless(IS_LINUX and HAS_FORK, "only Linux tells")
class Memory(unittest.TestCase):
    def test_parts_of_the_process(self):
        ballast = bytearray(os.urandom(1 << 16)) * 256
        for fork in (True, False):
            with self.subTest(fork=fork):
                header = captured(fork=fork).header
                self.assertGreater(header["anonymous"], len(ballast))
                # what is swapped out is not resident
                self.assertLess(header["anonymous"], header["rss"] + (1 << 20))
                self.assertGreaterEqual(header["swap"], 0)

    def test_only_a_child_tells_of_arenas(self):
        self.assertGreater(captured(fork=True).header["arenas"], 1 << 18)
        header = captured(fork=False).header
        self.assertFalse([key for key in header if key.startswith("arenas")])

    def test_arenas_that_are_kept_by_few_objects(self):
        """Fragmentation: most blocks are freed, and their arenas stay."""
        gc.collect()
        before = captured().header
        blocks = [(value,) for value in range(50000)]
        full = captured().header
        made = full["arenas_used"] - before["arenas_used"]
        self.assertGreaterEqual(made, len(blocks) * sys.getsizeof(blocks[0]))
        self.assertLessEqual(full["arenas_used"], full["arenas"])
        blocks = blocks[::50]  # a pool has some 80 to 330 blocks of this size: one is left in each
        after = captured().header
        self.assertLess(after["arenas_used"] - before["arenas_used"], made // 10)
        self.assertGreater(after["arenas"], full["arenas"] * 3 // 4)
        self.assertEqual(len(blocks), 1000)

    def test_what_the_interpreter_itself_says(self):
        """In a process of its own, told by itself on standard error just before."""
        code = "import sys, retainers\nretainers.dump(PATH)\nsys._debugmallocstats()\nretainers.dump(PATH)"
        with Directory() as directory:
            path = directory.join("heap.jsonl")
            done = subprocess.run([sys.executable, "-c", "PATH = %r\n%s" % (path, code)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env=dict(os.environ, PYTHONPATH=PACKAGE), universal_newlines=True, check=True)
            with open(path, encoding="utf-8") as file:
                header = file.readline()
        said = int(re.search(r" bytes/arena\s+=\s+([\d,]+)", done.stderr).group(1).replace(",", ""))
        told = int(re.search(r'"arenas":(\d+)', header).group(1))
        self.assertLessEqual(abs(said - told), 2 << 20)
        # the capture itself has written nothing there
        self.assertEqual(done.stderr.count("bytes/arena"), 1)

    def test_without_arenas(self):
        heap, _ = dump_of("import retainers; retainers.dump(PATH)", environment={"PYTHONMALLOC": "malloc"})
        self.assertFalse([key for key in heap.header if key.startswith("arenas")])
        self.assertIn("anonymous", heap.header)

    def test_with_debug_hooks(self):
        heap, _ = dump_of("import retainers; retainers.dump(PATH)", environment={"PYTHONMALLOC": "debug"})
        self.assertGreaterEqual(heap.header["arenas"], heap.header["arenas_used"])

    def test_a_program_without_standard_error(self):
        """Its descriptor is then that of the dump itself, or of a connection."""
        heap, _ = dump_of("import os, retainers; os.close(2); retainers.dump(PATH)")
        self.assertEqual(heap.end["objects"], len(heap.objects))
        heap, _ = dump_of("import os, retainers; os.close(2); ends = os.pipe(); retainers.dump(PATH); os.write(ends[1], b'x'); "
                          "assert os.read(ends[0], 9) == b'x'")
        self.assertEqual(heap.end["objects"], len(heap.objects))


class Statistics(unittest.TestCase):
    """What interpreters write, which differs by version."""

    SAID = """\
# arenas allocated current         =                   12
{arenas}

# bytes in allocated blocks        =            2,345,672
# bytes in available blocks        =               65,728
Total                              =            3,145,728
"""

    def test_both_sizes_of_arenas(self):
        for line, total in (("12 arenas * 262144 bytes/arena     =            3,145,728", 3145728),
                            ("12 arenas * 1048576 bytes/arena    =           12,582,912", 12582912)):
            self.assertEqual(agent._arenas(self.SAID.format(arenas=line)), [("arenas", total), ("arenas_used", 2345672)])

    def test_half_of_it_is_none(self):
        self.assertEqual(agent._arenas(self.SAID.format(arenas="")), [])
        self.assertEqual(agent._arenas(""), [])


if __name__ == "__main__":
    unittest.main()
