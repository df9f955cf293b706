# What a capture from outside runs in the process: this text stands behind that of `agent.py`, in one namespace of their own,
# so that everything here counts as the capture's and stays out of the dump. Placeholders in capitals are filled in.


def from_outside(directory, values, fork, frames):
    """Writes the dump into the pipe `dump` in `directory`, and what becomes of it into the pipe `words`, a line each.

    `frames` frames below those of this namespace belong to the capture, too. With `fork`, a grandchild of the process
    writes: its parent ends at once and is waited for here, so that the process has no child to look after. (A process that
    adopts orphans, as the first of a container does, gets this one; it says its number, so that it can be waited for.)
    """
    words = _open_pipe(directory + "/words")
    try:
        job = _Job(None, values, fork, None, None, "frame", None)
        job.descriptor = _open_pipe(directory + "/dump")
        start = time.monotonic()
        if gc.isenabled():
            # what has just been compiled is of no interest to the collector once it has seen it, nor to the dump
            gc.collect(0)
        before = _BeforeFromOutside(job)
        before.foreign = frames
        _leave_out_frames(before, frames)
        if fork:
            try:
                _write_in_grandchild(job, words, before, directory)
            finally:
                os.close(job.descriptor)
                before.clear()
        else:
            _write_and_say(job, words, before)
        _say(words, "paused %f" % (time.monotonic() - start))
    except BaseException as error:
        _say(words, "error " + _error_text(error))
    finally:
        os.close(words)


def forget():
    """Empties this namespace, so that what is left of it waits for no collection but the bare classes."""
    for value in list(globals().values()):
        if type(value) is type and _TYPE_DICT(value).get("__module__") == __name__:
            for name, member in list(_TYPE_DICT(value).items()):
                if type(member) is _FUNCTION:
                    delattr(value, name)
    globals().clear()


class _BeforeFromOutside(Before):
    """As from within; but this code has only just been compiled, so that the collector still lists parts of it.

    `foreign` is how many frames that are not of this namespace belong to the capture, too."""

    __slots__ = ("foreign",)

    def containers(self):
        own = Before.containers(self) | _own_code(self.foreign)
        core = globals().get("_core")
        if core is not None:
            own |= {id(core), id(core.__self__), id(core.__self__.__dict__)}
        return own | {id(obj) for obj in gc.get_objects() if type(obj) is list and _is_of_script(obj)}


def _is_of_script(names):
    """Whether this is the list of a script's names that the interpreter keeps while it runs it."""
    return 0 < len(names) < 2000 and any([type(name) is str and "_retainers_from_outside" in name for name in names])


def _own_code(foreign):
    """Addresses of the frames of the capture, of its code objects, and of the tuples in these."""
    found = set()
    parts = []
    frame = sys._getframe()
    while frame is not None and (foreign or _is_own_frame(frame)):
        foreign -= not _is_own_frame(frame)
        found.add(id(frame))
        parts.append(frame.f_code)
        frame = frame.f_back
    for value in globals().values():
        if type(value) is _FUNCTION:
            parts.append(value.__code__)
        elif _has(_MRO(type(value)), type) and _MODULE(value) == __name__:
            parts += [member.__code__ for member in _TYPE_DICT(value).values() if type(member) is _FUNCTION]
    while parts:
        part = parts.pop()
        if id(part) in found:
            continue
        found.add(id(part))
        if type(part) is tuple:
            inner = part
        else:
            inner = (part.co_consts, part.co_names)
            if sys.version_info < (3, 11):  # later versions make these anew
                inner += (part.co_varnames, part.co_freevars, part.co_cellvars)
        # there is but one empty tuple, and it is everybody's
        parts += [obj for obj in inner if type(obj) is _CODE or type(obj) is tuple and obj]
    return found


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


def _write_in_grandchild(job, words, before, directory):
    """Returns when a grandchild has been started and its parent has been waited for."""
    masked = _mask_signals()
    try:
        with _NoForkWarning():
            child = os.fork()
        if child == 0:
            try:
                if os.fork() == 0:
                    _become_writer(job.descriptor, words)
                    _say(words, "writer %d" % os.getpid())
                    job.core = _native_walk(directory)
                    _write_and_say(job, words, before)
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
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _lift_memory_limit()
    _close_descriptors({0, 1, 2, sink, words})


def _native_walk(directory):
    """The walk of the native core; `None` where there is none for this interpreter, or where libraries may not be loaded.

    Only ever loaded into the grandchild, which ends."""
    own_walk = walk
    try:
        with open(directory + "/native.py", "rb") as file:
            text = file.read()
        exec(compile(text, "<retainers capture>", "exec"), globals())
        load(directory + "/native_core.so")
        return globals()["walk"]
    except Exception:
        return None
    finally:
        # the native one calls the agent's where it cannot do without
        globals()["walk"] = own_walk


def _write_and_say(job, words, before):
    try:
        _say(words, "done %d %d %d %d" % job(before))
    except BaseException as error:
        _say(words, "error " + _error_text(error))
