"""What the environment holds is in no dump: 60 secrets, planted in a living process in every way that a text gets into a dump.

Both that write dumps are looked at, the agent and the native core (that of `RETAINERS_CORE`, else one that is made here).
"""

import json
import os
import random
import shutil
import string
import tempfile
import unittest

from retainers import agent
from tests.heap import Directory, core_library, on_the_newest, run

COUNT = 60
#: What begins each secret and is nowhere else: to find them cut as well.
MARK = "sEc%02dX"
#: A process that holds the secrets `P00` to `P59` of its environment; what begins with `shown` is no secret.
PLANT = '''
import collections, dataclasses, os, sys, threading, types
from retainers import _native, agent

secrets = [os.environ["P%02d" % place] for place in range(60)]
blobs = [text.encode() for text in secrets]
kept = []
ways = [
    lambda s, b: s[:4] + s[4:],
    lambda s, b: b[:4] + b[4:],
    lambda s, b: "Bearer " + s,
    lambda s, b: b"Authorization: Basic " + b,
    lambda s, b: s + "-suffix",
    lambda s, b: b + b"\\r\\n",
    lambda s, b: "postgres://shop:%s@db.example:5432/shop?sslmode=require" % s,
    lambda s, b: b"https://example.org/?token=" + b + b"&page=2",
    lambda s, b: {s + "": 1},
    lambda s, b: {"session:" + s: [1, 2]},
    lambda s, b: {b"cookie=" + b: None},
    lambda s, b: {("user", s + "!"): 1},
    lambda s, b: {frozenset([s + "?"]): 1},
    lambda s, b: {"a": [{"b": ({"c": ["x" + s + "y"]},)}]},
    lambda s, b: {"set " + s, b"set " + b},
    lambda s, b: types.SimpleNamespace(**{"attribute_" + s: 1}),
    lambda s, b: Row("prefix" + s, b),
    lambda s, b: Data("dsn=" + s),
    lambda s, b: Plain(s),
    lambda s, b: Slots("slot " + s),
    lambda s, b: "x" * 100 + s + "y" * 100,
    lambda s, b: "x" * 118 + s,
    lambda s, b: b"\\xff" * 113 + b,
    lambda s, b: "\\u20ac\\U0001f600 " + s,
    lambda s, b: "\\xe9" * 60 + s,
    lambda s, b: collections.deque(["queue " + s, [b"queue " + b]]),
    lambda s, b: ValueError("cannot connect with " + s),
    lambda s, b: local(s),
    lambda s, b: (lambda text="default " + s: text),
    lambda s, b: thread(s),
]

class Plain:
    def __init__(self, text):
        self.url = "redis://:%s@cache" % text
        setattr(self, "field_" + text, 1)

class Slots:
    __slots__ = ("text",)
    def __init__(self, text):
        self.text = text

Row = collections.namedtuple("Row", "text blob")
Data = dataclasses.make_dataclass("Data", ["text"])

def local(text):
    inner = "local " + text
    yield inner

def thread(text):
    started, going = threading.Event(), threading.Event()
    def work(own):
        started.set()
        going.wait(60)
    made = threading.Thread(target=work, args=("argument " + text,), name="worker of " + text, daemon=True)
    made.start()
    started.wait(60)
    return made, going

for place, way in enumerate(ways * 2):
    kept.append(way(secrets[place], blobs[place]))
    if isinstance(kept[-1], types.GeneratorType):
        next(kept[-1])
sys.orig_argv = ["python", "--dsn=" + secrets[0], "shown argument"]
shown = {"shown key": "shown value", "shown.module": os.path.join(os.environ["HERE"], "shown file")}
if len(sys.argv) > 1:
    _native.load(sys.argv[1])
written = 0
for core in (False, True)[:len(sys.argv)]:
    for values in (True, False):
        for fork in (True, False):
            agent.dump(PATH % written, core=_native.walk if core else False, values=values, fork=fork)
            written += 1
print(written)
'''


def setUpModule():
    """Finds or makes the library."""
    global library
    directory = tempfile.mkdtemp()
    unittest.addModuleCleanup(shutil.rmtree, directory, ignore_errors=True)
    library = core_library(directory)


def made_secrets():
    """Secrets as they are met: tokens, passwords, with what is escaped in JSON, that begin as a path does; with their marks."""
    rng = random.Random(60)
    made = []
    for place in range(COUNT):
        kind = ("0123456789abcdef", string.ascii_letters + string.digits + "+/=", string.ascii_letters + "_", '"\\\'\t äß€%')[place % 4]
        mark = MARK % place
        made.append(("/" if place % 7 == 0 else "") + mark + "".join(rng.choice(kind) for _ in range(rng.choice((1, 9, 33)))) + "Z")
    return made


class Planted(unittest.TestCase):
    @on_the_newest
    def test_none_of_60_is_in_a_dump(self):
        with Directory() as directory:
            environment = dict(("P%02d" % place, text) for place, text in enumerate(made_secrets()))
            environment.update(HERE=agent.__file__.rpartition("/")[0], LEVEL="shown")
            code = "PATH = %r\n" % directory.join("%d.jsonl") + PLANT
            output, _ = run(code, *([library] if library else []), environment=environment)
            self.assertEqual(int(output), 8 if library else 4)
            for number in range(int(output)):
                with open(directory.join("%d.jsonl" % number), encoding="utf-8") as file:
                    text = file.read()
                found = [place for place in range(COUNT) if MARK % place in text]
                self.assertEqual((number, found), (number, []))
                has_values = number % 4 < 2
                for shown in ("shown value", "shown key", "shown file", "shown argument"):
                    self.assertEqual((number, shown, shown in text), (number, shown, has_values))
                for line in text.strip("\n").split("\n"):
                    json.loads(line)

    def test_the_test_finds_what_is_there(self):
        with Directory() as directory:
            kept = [MARK % 7 + "not in the environment"]
            path = directory.join("heap.jsonl")
            agent.dump(path, core=False)
            with open(path, encoding="utf-8") as file:
                self.assertIn(MARK % 7, file.read())
            self.assertEqual(len(kept), 1)


if __name__ == "__main__":
    unittest.main()
