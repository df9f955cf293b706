"""Starts a program as `python app.py` and `python -m module` do, with triggers installed before it."""

import os
import sys

USAGE = """\
usage: python -m retainers run [options] app.py [arguments]
       python -m retainers run [options] -m module [arguments]

Starts a program as Python would, and writes a heap dump of it on a signal, when it dies of a MemoryError, and when its
resident memory passes a limit.

    python -m retainers run --directory heaps --rss-limit 2GiB app.py
    kill -URG PID                     # a dump of it, or of a worker that it forked

options:
  --signal NAME       signal that asks for a dump, or none (default SIGURG, which harms no process that does not know it)
  --no-memory-error   no dump when a MemoryError ends the program
  --rss-limit SIZE    dump when resident memory passes SIZE, such as 2GiB
  --directory DIR     where dumps go (default: the working directory)
  --no-values         write no data of the program into dumps
  -h, --help          this text
  --trace             have the line that allocated it for each object (tracemalloc): slower, and takes more memory
"""

#: Options without a value, and what they are to `install`.
_FLAGS = {"--no-memory-error": ("on_memory_error", False), "--no-values": ("values", False), "--trace": ("trace", True)}


def main(arguments=None):
    """Runs the command line; never returns where the program exits."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return
    if arguments[0] != "run":
        _fail("no such command: %s" % arguments[0])
    options, arguments = _options(arguments[1:])
    if not arguments or arguments == ["-m"]:
        _fail("nothing to run")
    from . import triggers

    try:
        installed = triggers.install(**options)
    except (OSError, ValueError) as error:
        _fail(str(error))
    try:
        if arguments[0] == "-m":
            _run_module(arguments[1], arguments[1:])
        else:
            _run_path(arguments[0], arguments)
    except MemoryError:
        # before the interpreter needs some to say so
        installed.give_back()
        raise


def _options(arguments):
    """Options of `install`, and what is left of the command line."""
    options = {}
    while arguments and arguments[0].startswith("-") and arguments[0] != "-m":
        option, equals, value = arguments.pop(0).partition("=")
        if option in ("-h", "--help"):
            print(USAGE, end="")
            raise SystemExit(0)
        if option in _FLAGS and not equals:
            options.update([_FLAGS[option]])
            continue
        if option not in ("--signal", "--rss-limit", "--directory"):
            _fail("no such option: %s" % option)
        if not equals:
            if not arguments:
                _fail("%s needs a value" % option)
            value = arguments.pop(0)
        if option == "--signal":
            options["signal"] = None if value == "none" else value
        else:
            options[option[2:].replace("-", "_")] = value
    return options, arguments


def _fail(text):
    print("python -m retainers: %s\n\n%s" % (text, USAGE), end="", file=sys.stderr)
    raise SystemExit(2)


def _new_main():
    """An empty `__main__`, instead of this package's."""
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main


def _run_module(name, arguments):
    import runpy

    sys.argv[:] = arguments
    sys.path[0] = os.getcwd()
    _new_main()
    runpy._run_module_as_main(name)


def _run_path(path, arguments):
    sys.argv[:] = arguments
    main = _new_main()
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        import runpy

        sys.path[0] = path
        runpy._run_module_as_main("__main__", alter_argv=False)
        return
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
    except OSError as error:
        _fail("%s: %s" % (path, error.strerror))
    main.__dict__.update(__file__=path, __cached__=None)
    exec(code, main.__dict__)
