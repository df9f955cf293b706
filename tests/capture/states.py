"""A program in one of many states, into which calls are injected: `states.py STATE FILE`.

It counts in FILE, 8 bytes, as long as all is well with it: what it computes is checked, and a wrong result ends it. A line on
standard input has another thread run this program anew, in the same process, in the state that the line names."""

import os
import struct
import sys
import threading
import time

count = 0


def beat():
    global count
    count += 1
    os.pwrite(file, struct.pack("<Q", count), 0)


def work(rounds):
    total = 0
    for number in range(rounds):
        total += number
    if total != rounds * (rounds - 1) // 2:
        os._exit(3)


def ready():
    print("ready", flush=True)


def asleep():
    while True:
        time.sleep(0.05)
        beat()


def long_sleep():
    def beats():
        while True:
            time.sleep(0.02)
            beat()

    threading.Thread(target=beats, daemon=True).start()
    ready()
    time.sleep(3600)


def busy():
    while True:
        work(3000)
        beat()


def asyncio_busy():
    import asyncio

    async def main():
        while True:
            work(300)
            await asyncio.sleep(0.001)
            beat()

    asyncio.new_event_loop().run_until_complete(main())


def asyncio_idle():
    import asyncio

    async def main():
        while True:
            await asyncio.sleep(0.1)
            beat()

    asyncio.new_event_loop().run_until_complete(main())


def joins_threads():
    threads = [threading.Thread(target=busy, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready()
    threads[0].join()


def all_busy():
    for _ in range(8):
        threading.Thread(target=busy, daemon=True).start()
    ready()
    busy()


def compresses():
    import zlib

    data = os.urandom(1 << 18) * 2
    while True:
        if zlib.decompress(zlib.compress(data, 1)) != data:
            os._exit(3)
        beat()


def pipes():
    reading, writing = os.pipe()
    while True:
        for _ in range(200):
            os.write(writing, b"y" * 10)
            if os.read(reading, 10) != b"y" * 10:
                os._exit(3)
        beat()


def signals():
    import signal

    seen = [0]

    def handler(*_):
        seen[0] += 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
    while True:
        before = seen[0]
        while seen[0] == before:
            work(500)
            time.sleep(0.001)
        beat()


def allocates():
    while True:
        many = [bytearray(1000 + number) for number in range(3000)]
        few = [bytes(100000) for _ in range(30)]
        if sum(map(len, many)) != sum(range(1000, 4000)) or len(few) != 30:
            os._exit(3)
        del many, few
        beat()


def floats():
    while True:
        total = 0.0
        for number in range(1, 20000):
            total += 1.0 / (number * number)
        if not 1.6448 < total < 1.645:
            os._exit(3)
        beat()


def registers():
    """Vector registers with known values, in native code that has given the interpreter's lock away."""
    import ctypes

    kept = ctypes.CDLL(os.environ["REGISTERS"]).registers_are_kept
    while True:
        if kept(ctypes.c_long(2_000_000)) != 1:
            os._exit(3)
        beat()


def epoll():
    import select

    reading, writing = os.pipe()
    poll = select.epoll()
    poll.register(reading, select.EPOLLIN)
    while True:
        poll.poll(0.05)
        beat()


def filtered():
    """Under a filter of system calls as containers have: no ptrace, no look at other processes, no mounts."""
    import ctypes

    refused = (101, 310, 311, 165, 166, 272, 308, 321, 298, 323, 250, 246)
    code = [(0x20, 0, 0, 0)]
    code += [(0x15, len(refused) - index, 0, number) for index, number in enumerate(refused)]
    code += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050000 | 1)]
    text = b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
    buffer = ctypes.create_string_buffer(text)

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    program = Program(len(code), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program)):
        os._exit(4)
    asleep()


def denies_writable_code():
    """What a service manager's `MemoryDenyWriteExecute` asks of the kernel; older ones do not know it."""
    import ctypes

    ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)
    asleep()


def main_ended():
    import ctypes

    threading.Thread(target=asleep).start()
    ctypes.CDLL(None).pthread_exit(None)


def runs_anew():
    state = sys.stdin.readline().strip()
    if state:
        os.execv(sys.executable, [sys.executable, __file__, state, sys.argv[2]])


if __name__ == "__main__":
    # a process that may only be traced by its parents says that we may, too (Yama)
    if os.environ.get("ANYBODY_MAY_TRACE"):
        import ctypes

        ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1 & 0xFFFFFFFFFFFFFFFF), 0, 0, 0)
    file = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
    threading.Thread(target=runs_anew, daemon=True).start()
    state = globals()[sys.argv[1]]
    # those that start threads are ready when these run
    if state not in (long_sleep, joins_threads, all_busy):
        ready()
    state()
