"""Writes heap dumps when something happens: a signal, a `MemoryError` that nobody caught, too much resident memory.

    triggers = retainers.install(signal=signal.SIGUSR2, rss_limit="2GiB", directory="/var/tmp/heaps")
    …
    triggers.uninstall()
"""

import os
import sys
import time

from . import agent

__all__ = ["Triggers", "install", "size"]

#: Bytes that are given back when memory has run out, so that there is room to react.
RESERVE = 4 << 20
#: A limit counts as crossed again once resident memory has fallen below this part of it.
FALLEN = 0.9

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def install(*, signal="SIGUSR2", on_memory_error=True, rss_limit=None, directory=None, values=True, fork=None,
            suffix=".jsonl.gz", interval=1.0, trace=False):
    """Installs triggers and returns them as `Triggers`, whose `uninstall()` takes them away.

    `signal` is a number or a name, or `None` for none; it can be installed in the main thread only, and an earlier handler is
    still called. `on_memory_error` dumps when an uncaught `MemoryError` ends the program or a thread. `rss_limit`, bytes or
    a text such as `"2GiB"`, dumps each time that resident memory passes it; it is looked at every `interval` seconds. Dumps
    go to `directory` (the working directory of now) as `heap-PID-TIME-COUNT-REASON` and `suffix`. `trace` starts
    `tracemalloc`, unless it is tracing already: objects that are made from now on have the line that allocated them.

    Raises `ValueError` for a limit or signal that is none, and `OSError` when the directory cannot be written."""
    return Triggers(signal, on_memory_error, rss_limit, directory, values, fork, suffix, interval, trace)


def size(text):
    """Bytes of `"512MiB"`, `"2 GB"`, `"1.5g"` or a number; every unit is a power of 1024."""
    if type(text) is int:
        return text
    digits = text.strip().lower()
    for ending in ("ib", "b"):
        if digits.endswith(ending):
            digits = digits[:-len(ending)]
            break
    number = digits.rstrip("kmgt ")
    unit = digits[len(number):].strip()
    try:
        found = int(float(number) * _UNITS[unit])
    except (KeyError, ValueError):
        raise ValueError("not a size: %r (such as 512MiB or 2GiB)" % text) from None
    if found <= 0:
        raise ValueError("not a size: %r is not above zero" % text)
    return found


class Triggers:
    """What `install` has installed. `last` is the path of the newest dump, or `None`."""

    def __init__(self, signal, on_memory_error, rss_limit, directory, values, fork, suffix, interval, trace):
        self.directory = os.path.abspath(os.fspath(directory) if directory is not None else os.getcwd())
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise OSError("%s: cannot write heap dumps here" % self.directory)
        self.suffix, self.values, self.fork, self.interval = suffix, values, fork, interval
        self.last = None
        self.reserve = None
        self.installed = True
        self._count = 0
        self._running = None
        self._signal = self._earlier = self._hooks = self._stop = None
        self._traces = False
        self._limit = None if rss_limit is None else size(rss_limit)
        agent._compressor("dump" + suffix)  # what it imports is imported now, not when memory is short
        if signal is not None:
            self._install_signal(signal)
        if on_memory_error:
            self._install_hooks()
        if self._limit is not None:
            self._install_watch()
        if trace:
            self._install_trace()

    def dump(self, reason, wait=False, **options):
        """Writes a dump now; its path. What goes wrong is said on standard error and changes nothing else."""
        if self._running is not None and not self._running.poll():
            _say("a dump is still being written: none for %s" % reason)
            return None
        self._running = None
        self._count += 1
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = os.path.join(self.directory, "heap-%d-%s-%d-%s%s" % (os.getpid(), stamp, self._count, reason, self.suffix))
        forks = self.fork if self.fork is not None else sys.platform.startswith("linux")
        try:
            written = agent.dump(path, values=self.values, fork=forks, wait=wait or not forks, **options)
        except (agent.CaptureError, OSError, MemoryError) as error:
            _say("no dump for %s: %s" % (reason, error))
            return None
        if type(written) is agent.Running:
            self._running = written
        self.last = path
        _say("heap dump for %s: %s" % (reason, path))
        return path

    def uninstall(self):
        """Takes all triggers away, and waits for a dump that is being written."""
        if not self.installed:
            return
        self.installed = False
        if self._signal is not None:
            import signal

            if signal.getsignal(self._signal) == self._on_signal:
                signal.signal(self._signal, self._earlier if self._earlier is not None else signal.SIG_DFL)
        if self._hooks is not None:
            self._uninstall_hooks()
        if self._stop is not None:
            self._stop.release()
        if self._traces and agent._tracemalloc.is_tracing():
            agent._tracemalloc.stop()
        self.reserve = None
        if self._running is not None:
            try:
                self._running.result()
            except agent.CaptureError as error:
                _say(str(error))
            self._running = None

    # -- the signal --------------------------------------------------------------------------------------------------

    def _install_signal(self, number):
        import signal

        if type(number) is str:
            try:
                number = getattr(signal, number if number.startswith("SIG") else "SIG" + number)
            except AttributeError:
                raise ValueError("no such signal: %s" % number) from None
        self._earlier = signal.signal(number, self._on_signal)
        self._signal = number

    def _on_signal(self, number, frame):
        self.dump("signal")
        if callable(self._earlier):
            self._earlier(number, frame)

    # -- MemoryError -------------------------------------------------------------------------------------------------

    def _install_hooks(self):
        try:
            import resource  # noqa: F401  the capture lifts its own limit of memory by it
        except ImportError:
            pass
        import threading

        self.reserve = bytearray(RESERVE)
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def _uninstall_hooks(self):
        import threading

        if sys.excepthook == self._on_exception:
            sys.excepthook = self._hooks[0]
        if threading.excepthook == self._on_thread_exception:
            threading.excepthook = self._hooks[1]

    def _on_exception(self, kind, value, traceback):
        if self.installed:
            self._memory_error(kind, value)
        self._hooks[0](kind, value, traceback)

    def _on_thread_exception(self, args):
        if self.installed:
            self._memory_error(args.exc_type, args.exc_value)
        self._hooks[1](args)

    def _memory_error(self, kind, value):
        if MemoryError in type.__dict__["__mro__"].__get__(kind):
            self.reserve = None
            self.dump("memory-error", wait=True, exception=value)

    # -- allocation sites --------------------------------------------------------------------------------------------

    def _install_trace(self):
        if agent._tracemalloc is None:
            raise ValueError("this interpreter cannot trace allocations")
        if not agent._tracemalloc.is_tracing():
            # one frame: an object's site is the innermost line, and more would only cost memory
            agent._tracemalloc.start(1)
            self._traces = True

    # -- resident memory ---------------------------------------------------------------------------------------------

    def _install_watch(self):
        import _thread

        if agent._resident() is None:
            raise OSError("the resident memory of a process cannot be read on this system")
        self._stop = _thread.allocate_lock()
        self._stop.acquire()
        # no `threading.Thread`: the program's lists of threads do not change, and nothing waits for it at the end
        _thread.start_new_thread(self._watch, (self._stop,))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self):
        """A worker that was forked watches itself; the child that writes a dump does not."""
        if self.installed and not agent.is_forking():
            import _thread

            self._running = None
            self._stop = _thread.allocate_lock()
            self._stop.acquire()
            _thread.start_new_thread(self._watch, (self._stop,))

    def _watch(self, stop):
        is_above = False
        while not stop.acquire(timeout=self.interval):
            resident = agent._resident() or 0
            if resident >= self._limit and not is_above:
                is_above = True
                self.dump("rss-limit")
            elif resident < self._limit * FALLEN:
                is_above = False
            if self._running is not None:
                self._running.poll()


def _say(text):
    """One line on standard error, past the program's own buffers."""
    try:
        os.write(2, ("retainers: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass
