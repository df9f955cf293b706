# What a capture from outside runs where the dump is written: this text stands behind that of `agent.py`, in the namespace of
# `from_outside.py`.


class _BeforeFromOutside(Before):
    """As from within; but this code has only just been compiled, so that the collector still lists parts of it.

    `noted` is what was noted, by the few parts of the agent that were there then; `foreign` is how many frames that are not
    of this namespace belong to the capture, too."""

    __slots__ = ("foreign", "noted")

    def __init__(self, noted, foreign):
        self.noted, self.foreign = noted, foreign
        for name in Before.__slots__:
            setattr(self, name, getattr(noted, name))

    def containers(self):
        own = Before.containers(self) | _own_code(self.foreign)
        core = globals().get("_core")
        if core is not None:
            own |= {id(core), id(core.__self__), id(core.__self__.__dict__)}
        # what the collector has listed before, and what it lists now
        for objects in (*self.kept, gc.get_objects()):
            own |= {id(obj) for obj in objects if type(obj) is list and obj is not _replaced and _is_of_script(obj)}
        return own


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


def _write_and_say(values, forked, sink, words, before, frames, core):
    try:
        job = _Job(None, values, forked, None, core, "frame", None)
        job.descriptor = sink
        _say(words, "done %d %d %d %d" % job(_BeforeFromOutside(before, frames)))
    except BaseException as error:
        _say(words, "error " + _error_text(error))
