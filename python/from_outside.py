# What a capture from outside runs in the process: this text stands behind that of `agent.py`, in one namespace of their own,
# so that everything here counts as the capture's and stays out of the dump. Placeholders in capitals are filled in.


def from_outside(directory, values, fork, frames):
    """Writes the dump into the pipe `dump` in `directory`, and what becomes of it into the pipe `words`, a line each.

    `frames` frames, counted from the caller of this, belong to the capture. With `fork`, a grandchild of the process
    writes: its parent ends at once and is waited for here, so that the process never has a child to look after.
    """
    words = _open_pipe(directory + "/words")
    try:
        sink = _open_pipe(directory + "/dump")
        try:
            start = time.monotonic()
            before = Before()
            _leave_out_own_frames(before, sys._getframe(1), frames)
            if fork:
                _write_in_grandchild(sink, words, before, values)
                _say(words, "paused %f" % (time.monotonic() - start))
            else:
                _write_and_say(sink, words, before, values, False)
                _say(words, "paused %f" % (time.monotonic() - start))
        finally:
            os.close(sink)
    except BaseException as error:
        _say(words, "error " + _error_text(error))
    finally:
        os.close(words)


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


def _leave_out_own_frames(before, frame, count):
    """Has this thread's frames begin with that of the program."""
    for _ in range(count):
        frame = frame.f_back if frame is not None else None
    own = _get_ident()
    before.frames = [(ident, frame if ident == own else other) for ident, other in before.frames]
    before.frames = [entry for entry in before.frames if entry[1] is not None]


def _write_in_grandchild(sink, words, before, values):
    """Returns when a grandchild has been started and its parent has been waited for."""
    active = _loaded("threading", "_active")
    threads = list(active.items()) if type(active) is dict else []
    masked = _mask_signals()
    try:
        with _NoForkWarning():
            child = os.fork()
        if child == 0:
            try:
                if os.fork() == 0:
                    if type(active) is dict:
                        # `threading` drops the other threads from its table after a fork; in the dump they belong there
                        active.update(threads)
                    del threads, active
                    _become_writer(sink, words)
                    _write_and_say(sink, words, before, values, True)
            finally:
                os._exit(0)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:  # somebody else's `wait` was faster
            pass
    finally:
        _unmask_signals(masked)


def _become_writer(sink, words):
    """Lets go of all that the process shares with this fork: its connections, files and output."""
    sys.settrace(None)
    sys.setprofile(None)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _close_descriptors({0, 1, 2, sink, words})


def _write_and_say(sink, words, before, values, forked):
    try:
        counts = _write_all(lambda data: _write_whole(sink, data), before, values, forked, None, None)
        _say(words, "done %d %d %d %d" % counts)
    except BaseException as error:
        _say(words, "error " + _error_text(error))
