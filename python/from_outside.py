# What a capture from outside runs in the process. The process stands still while this is compiled and run, so this is little:
# it stands behind the few parts of `agent.py` that note what only the living process knows, in one namespace of their own. The
# whole agent, and with it `after_fork.py`, is loaded where the dump is written. The namespace is known by its name, so that
# everything in it counts as the capture's and stays out of the dump. Placeholders in capitals are filled in.


class _Asked:
    """What is noted: the frames as they are, no exception."""

    caller = "frame"
    exception = None


def from_outside(directory, values, fork, frames):
    """Writes the dump into the pipe `dump` in `directory`, and what becomes of it into the pipe `words`, a line each.

    `frames` frames below those of this namespace belong to the capture, too. With `fork`, a grandchild of the process
    writes: its parent ends at once and is waited for here, so that the process has no child to look after. (A process that
    adopts orphans, as the first of a container does, gets this one; it says its number, so that it can be waited for.)
    """
    words = _open_pipe(directory + "/words")
    try:
        sink = _open_pipe(directory + "/dump")
        start = time.monotonic()
        if gc.isenabled():
            # what has just been compiled is of no interest to the collector once it has seen it, nor to the dump
            gc.collect(0)
        before = Before(_Asked)
        _leave_out_frames(before, frames)
        if fork:
            try:
                _write_in_grandchild(directory, values, sink, words, before, frames)
            finally:
                os.close(sink)
                before.clear()
        else:
            _load(directory)
            _write_and_say(values, False, sink, words, before, frames, None)
        _say(words, "paused %f" % (time.monotonic() - start))
    except BaseException as error:
        _say(words, "error " + _error_text(error))
    finally:
        os.close(words)


def forget():
    """Empties this namespace, so that what is left of it waits for no collection but the bare classes."""
    for value in list(globals().values()) + _replaced:
        if type(value) is type and _TYPE_DICT(value).get("__module__") == __name__:
            for name, member in list(_TYPE_DICT(value).items()):
                if type(member) is _FUNCTION:
                    delattr(value, name)
    globals().clear()


_FUNCTION = type(forget)
#: What stood under names that the whole agent has taken: still the capture's, and found to be so by this.
_replaced = []


def _load(directory):
    """Loads the whole agent over the parts that are there."""
    with open(directory + "/agent.py", "rb") as file:
        text = file.read()
    _replaced.extend(globals().values())
    exec(compile(text, "<retainers capture>", "exec"), globals())


def _open_pipe(path):
    """A pipe to write to. Fails at once where nobody reads any more, instead of waiting for a reader."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    return descriptor


def _say(words, line):
    try:
        os.write(words, (" ".join(line.split()) + "\n").encode("utf-8", "backslashreplace")[:2000])
    except OSError:  # nobody listens any more
        pass


def _leave_out_frames(before, count):
    """Has this thread's frames begin with that of the program."""
    own = _get_ident()
    for index, (ident, frame) in enumerate(before.frames):
        for _ in range(count if ident == own else 0):
            frame = frame.f_back if frame is not None else None
        before.frames[index] = (ident, frame)
    before.frames[:] = [entry for entry in before.frames if entry[1] is not None]


def _write_in_grandchild(directory, values, sink, words, before, frames):
    """Returns when a grandchild has been started and its parent has been waited for."""
    masked = _mask_signals()
    try:
        with _NoForkWarning():
            child = os.fork()
        if child == 0:
            try:
                if os.fork() == 0:
                    _say(words, "writer %d" % os.getpid())
                    gc.disable()  # a collection would run finalizers of the program
                    _load(directory)
                    _become_writer(sink, words)
                    _write_and_say(values, True, sink, words, before, frames, _native_walk(directory))
            except BaseException as error:
                _say(words, "error " + _error_text(error))
            finally:
                os._exit(0)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:  # somebody else's `wait` was faster
            pass
    finally:
        _unmask_signals(masked)
