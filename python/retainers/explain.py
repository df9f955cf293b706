"""Who keeps this object alive? Dumps the process and asks the `retainers` command.

    retainers.why(session)                   # shows as text, in a notebook as a picture
    st.image(retainers.why(session).png())
"""

import os
import sys

from . import agent

__all__ = ["Why", "why"]

#: Names under which an interactive interpreter keeps what it has shown.
_HISTORIES = ("Out", "_oh", "In", "_ih")


def why(obj, *, limit=10, exclude=(), raw=False, binary=None, timeout=None):
    """The chains of references that keep `obj` alive, as a `Why`.

    The process is dumped into a temporary file by a forked child, and the command `retainers` is asked about the object; the
    file is gone afterwards. The variables that name the object where this is called are passed over, as long as anything else
    holds it. `limit` is the number of ways shown, `exclude` references not to follow (as `--exclude` of the command),
    `raw` shows every hop, `binary` is the command (else `RETAINERS_BINARY`, the directory of this Python's scripts, `PATH`),
    `timeout` ends a capture that takes longer, in seconds.

    Raises `FileNotFoundError` when the command is not found, `agent.CaptureError` when the dump could not be written, and
    `RuntimeError` with the command's own words when it failed."""
    import shutil
    import tempfile

    command = find_binary(binary)
    address = id(obj)
    named = _names_of(obj, sys._getframe())
    directory = tempfile.mkdtemp(prefix="retainers-")
    try:
        path = os.path.join(directory, "heap.jsonl")
        agent.dump(path, timeout=timeout, caller="caller")
        options = ["--id", "0x%x" % address, "--limit", str(limit)] + (["--raw"] if raw else [])
        for reference in exclude:
            options += ["--exclude", reference]
        apart = []
        for reference in named:
            apart += ["--exclude", reference]
        answer = _ask(command, path, options + apart, directory)
        if apart and answer is not None and not answer.json()["signatures"]:
            answer = _ask(command, path, options, directory)
        if answer is None:
            # what only the call itself holds belongs to the capture, which leaves itself out
            return Why("nothing holds this %s but the call that asks" % agent.type_name(type(obj)), {})
        return answer
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find_binary(binary=None):
    """The path of the command `retainers`."""
    import shutil

    asked = binary or os.environ.get("RETAINERS_BINARY")
    if asked:
        found = shutil.which(asked)
        if found is None:
            raise FileNotFoundError("no such command: %s" % asked)
        return found
    scripts = os.path.dirname(sys.executable or "")
    found = shutil.which("retainers", path=scripts) or shutil.which("retainers")
    if found is None:
        raise FileNotFoundError(
            "the command `retainers` is not in %s and not in PATH: install the package, or say where it is by "
            "RETAINERS_BINARY or by `binary`" % (scripts or "the directory of this Python"))
    return found


def _names_of(obj, frame):
    """References by which the calling module merely names the object: `module.name` for its globals."""
    while frame is not None and agent._is_own_frame(frame):
        frame = frame.f_back
    if frame is None:
        return []
    namespace = frame.f_globals
    module = namespace.get("__name__")
    if type(module) is not str:
        return []
    # in a module's own code all globals are suspects; in a function, what it refers to is more likely the program's
    is_module = frame.f_code.co_name == "<module>"
    names = [name for name, value in list(namespace.items()) if value is obj and type(name) is str] if is_module else []
    if is_module and any(name in namespace for name in ("_oh", "get_ipython")):
        names += [name for name in _HISTORIES if name in namespace]
    return ["%s.%s" % (module, name) for name in names]


def _ask(command, dump, options, directory):
    """Runs the command once for every kind of answer; `None` when the dump does not have the object."""
    import subprocess

    pictures = os.path.join(directory, "answer")
    asked = [command, dump, "--no-index", "--quiet", "--color", "never", "--format", "text,dot,svg,png,json", "-o", pictures]
    done = subprocess.run(asked + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError("%s: %s" % (command, done.stderr.decode("utf-8", "replace").strip()))
    if done.returncode == 1:
        return None
    files = {}
    for name in sorted(os.listdir(pictures)) if os.path.isdir(pictures) else []:
        with open(os.path.join(pictures, name), "rb") as file:
            files.setdefault(name.rpartition(".")[2], []).append((name, file.read()))
    return Why(done.stdout.decode("utf-8", "replace"), files)


class Why:
    """An answer: text by `str()`, pictures by `png()`, `svg()`, `dot()`, everything by `json()`."""

    def __init__(self, text, files):
        self._text = text.rstrip("\n")
        self._files = files

    def __str__(self):
        return self._text

    def __repr__(self):
        return self._text

    def _repr_svg_(self):
        return self.svg() if self._files.get("svg") else None

    def json(self):
        """The whole answer, as `docs/json-output.md` describes it."""
        import json

        if not self._files.get("json"):
            return {"signatures": []}
        return json.loads(self._files["json"][0][1].decode("utf-8"))

    def png(self):
        """The picture as the bytes of a PNG file; the ways together where there are several."""
        return self._picture("png")

    def svg(self):
        """The picture as the text of an SVG file."""
        return self._picture("svg").decode("utf-8")

    def dot(self):
        """The picture as Graphviz text."""
        return self._picture("dot").decode("utf-8")

    def _picture(self, kind):
        found = self._files.get(kind, ())
        if not found:
            raise LookupError("there is no picture: nothing holds the object")
        together = [content for name, content in found if name.rpartition(".")[0].endswith("-all")]
        return together[0] if together else found[0][1]
