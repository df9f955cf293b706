"""Writes heap dumps when something happens: a signal, a `MemoryError` that nobody caught, too much resident memory.

    triggers = retainers.install(rss_limit="2GiB", directory="/var/tmp/heaps")      # SIGURG asks for a dump
    …
    triggers.uninstall()

One dump is written at a time. What asks meanwhile is remembered, and answered by one more dump afterwards. A thread waits
for the child that writes, and is gone with it; between dumps there is none, so that a worker that was forked has nothing to
start again.
"""

import os
import sys
import time

from . import agent

__all__ = ["Triggers", "install", "size"]

#: The signal without another: it is ignored where nobody handles it, so that a process which was not prepared lives on.
SIGNAL = "SIGURG"
#: Bytes that are given back when memory has run out, so that there is room to react.
RESERVE = 4 << 20
#: The part of a hard limit of address space that is kept for the capture: no child can lift that.
SHARE = 5
#: Bytes of it at least and at most.
LEAST_ROOM, MOST_ROOM = 48 << 20, 4 << 30
#: A limit counts as crossed again once resident memory has fallen below this part of it.
FALLEN = 0.9

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def install(*, signal=SIGNAL, on_memory_error=True, rss_limit=None, directory=None, values=True, fork=None,
            suffix=".jsonl.gz", interval=1.0, trace=False):
    """Installs triggers and returns them as `Triggers`, whose `uninstall()` takes them away.

    `signal` is a number or a name, or `None` for none; it can be installed in the main thread only, and an earlier handler is
    still called. SIGURG, the default, is ignored by processes that do not handle it: SIGUSR1 and SIGUSR2 would end a worker
    that nobody prepared, and servers use them. `on_memory_error` dumps when an uncaught `MemoryError` ends the program or a thread. `rss_limit`, bytes or
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
        agent.prepare()
        self.directory = os.path.abspath(os.fspath(directory) if directory is not None else os.getcwd())
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise OSError("%s: cannot write heap dumps here" % self.directory)
        self.suffix, self.values, self.interval = suffix, values, interval
        self.forks = fork if fork is not None else sys.platform.startswith("linux")
        self.last = None
        self.reserve = self.room = None
        self.installed = True
        self._count = 0
        #: Held while a dump is written that somebody asked for; and what has been asked for since.
        self._busy, self._asked, self._process = _new_lock(), [], os.getpid()
        self._signal = self._earlier = self._hooks = self._stop = None
        self._traces = False
        self._limit = None if rss_limit is None else size(rss_limit)
        agent._compressor("dump" + suffix)
        self._native = agent._package_native()
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
        running = self._begin(reason, wait, options)
        return running.path if running is not None else None

    def ask(self, reason):
        """Has a dump written: now, or after the one that is being written. Returns at once, where the system forks."""
        if self._process != os.getpid():
            # forked from the process that this was installed in: what that was writing is none of this one's
            self._renew()
        self._asked.append(reason)
        self._serve()

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
        self.give_back()
        if self._process == os.getpid():
            while self._busy.locked() or self._asked:
                self._serve()
                time.sleep(0.01)

    # -- one dump after the other ------------------------------------------------------------------------------------

    def _renew(self):
        self._process, self._busy, self._asked = os.getpid(), _new_lock(), []

    def _serve(self):
        """Begins with what has been asked for, unless it has been begun with: who has, looks again when it is done."""
        while self._asked and self._busy.acquire(False):
            try:
                is_left_to_thread = self._serve_some()
            except BaseException:
                self._busy.release()
                raise
            if is_left_to_thread:
                return
            self._busy.release()

    def _serve_some(self):
        """Does what has been asked for; whether a thread does it, which lets go of the lock when it is done."""
        if not self.forks:
            self._begin(self._next(), True, {})
            return False
        if self._native is None:
            # `os.fork` runs hooks that may want a lock which the interrupted code holds: a thread may wait for it
            if _start_thread(self._write_all, (None,)):
                return True
            _say("no dump for %s: there can be no thread that writes it" % self._next())
            return False
        running = self._begin(self._next(), False, {})
        # without a thread the child is looked after when the next dump is made
        return running is not None and _start_thread(self._write_all, (running,))

    def _write_all(self, running):
        """The life of a thread: waits for the child that writes, then does what has been asked for meanwhile."""
        try:
            while True:
                if running is not None:
                    self._finish(running)
                if not self._asked:
                    break
                running = self._begin(self._next(), False, {})
        finally:
            self._busy.release()
        if self._asked:  # since it was looked at last
            self._serve()

    def _next(self):
        """The reason of the next dump; what has been asked for several times is done once."""
        asked, self._asked = self._asked, []
        return asked[0]

    def _begin(self, reason, wait, options):
        """Begins a dump, or writes it whole; an `agent.Running` or `agent.Dump`, or `None` where it went wrong."""
        self._count += 1
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = os.path.join(self.directory, "heap-%d-%s-%d-%s%s" % (os.getpid(), stamp, self._count, reason, self.suffix))
        try:
            written = agent.dump(path, values=self.values, fork=self.forks, wait=wait or not self.forks, **options)
        except (agent.CaptureError, OSError, MemoryError) as error:
            _say("no dump for %s: %s" % (reason, error))
            return None
        self.last = path
        _say("heap dump for %s: %s" % (reason, path))
        return written

    def _finish(self, running):
        try:
            running.result()
        except (agent.CaptureError, OSError, MemoryError) as error:
            _say(str(error))

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
        self.ask("signal")
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
        self.room = _room_of_limit()
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
        if agent._has(agent._MRO(kind), MemoryError):
            self.give_back()
            self.dump("memory-error", wait=True, exception=value)

    def give_back(self):
        """Lets go of what is kept for a time without memory."""
        self.reserve = None
        room, self.room = self.room, None
        if room is not None:
            room.close()

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
        if agent._resident() is None:
            raise OSError("the resident memory of a process cannot be read on this system")
        self._stop = _new_lock()
        self._stop.acquire()
        _start_thread(self._watch, (self._stop,))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self):
        """A worker that was forked watches itself; the child that writes a dump does not."""
        if self.installed and not agent.is_forking():
            self._renew()
            self._stop = _new_lock()
            self._stop.acquire()
            _start_thread(self._watch, (self._stop,))

    def _watch(self, stop):
        is_above = False
        while not stop.acquire(timeout=self.interval):
            resident = agent._resident() or 0
            if resident >= self._limit and not is_above:
                is_above = True
                self.ask("rss-limit")
            elif resident < self._limit * FALLEN:
                is_above = False


def _new_lock():
    return agent._real("_thread", "allocate_lock")()


def _start_thread(function, arguments):
    """Starts a thread that the program's lists of threads do not have, and for whose end nothing waits; whether it could."""
    try:
        agent._real("_thread", "start_new_thread")(function, arguments)
    except (RuntimeError, MemoryError):
        return False
    return True


def _room_of_limit():
    """Address space that a capture will need, held but not used, where a hard limit would not let it be had; else `None`."""
    try:
        import mmap
        import resource
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        return mmap.mmap(-1, min(max(limit // SHARE, LEAST_ROOM), MOST_ROOM), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, ValueError):
        return None


def _say(text):
    """One line on standard error, past the program's own buffers."""
    try:
        os.write(2, ("retainers: %s\n" % text).encode("utf-8", "replace"))
    except OSError:
        pass
