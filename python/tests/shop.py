"""A small shop, as a library that is tested for leaks: each visit opens a session, and `OPEN` may never let it go.

What else grows once, or comes and goes, is no leak: `PRICES` is full after the first visit, `RECENT` has the last five orders,
and a request and its reply hold each other until the collector comes."""

import collections

OPEN = {}
PRICES = {}
RECENT = collections.deque(maxlen=5)
#: Receivers of a signal; each holds what it closes over.
RECEIVERS = []


class Session:
    def __init__(self, number):
        self.number = number
        self.basket = [Item("item %d of visit %d" % (place, number), place) for place in range(3)]

    def on_change(self):
        return self.number


class Item:
    def __init__(self, label, kind):
        self.label = label
        self.price = price(kind)


class Price:
    def __init__(self, cents):
        self.cents = cents


class Order:
    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


class Request:
    def __init__(self, number):
        self.number = number
        self.reply = Reply(self)


class Reply:
    def __init__(self, request):
        self.request = request


class Label(str):
    """Not known to the collector: it has no attributes."""

    __slots__ = ()


def price(kind):
    if kind not in PRICES:
        PRICES[kind] = Price(950 + kind)
    return PRICES[kind]


def visit(leaks=False, number=0):
    Request(number)
    session = Session(number)
    OPEN[id(session)] = session
    RECENT.append(Order(number))
    if not leaks:
        del OPEN[id(session)]


def subscribe(session, leaks=False):
    receiver = lambda: session.on_change()  # noqa: E731
    RECEIVERS.append(receiver)
    if not leaks:
        RECEIVERS.remove(receiver)
