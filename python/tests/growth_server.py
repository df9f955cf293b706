"""A small web server on loopback, with or without a leak: the subject of `growth_live.py`.

    python3 growth_server.py [--leak]

Prints its port. Each request opens a `Session`, which asks to hear when the settings change, is rendered through a bounded cache,
logged, and closed. With `--leak` closing does not disconnect it: the signal's receivers keep it.
"""

import collections
import http.server
import json
import logging
import sys

log = logging.getLogger("shop")


class Signal:
    """Calls its receivers when something changes."""

    def __init__(self):
        self.receivers = {}

    def connect(self, receiver):
        self.receivers[id(receiver)] = receiver

    def disconnect(self, receiver):
        self.receivers.pop(id(receiver))


class Cache:
    """The newest pages, `limit` at most."""

    def __init__(self, limit):
        self.limit = limit
        self.pages = collections.OrderedDict()

    def page(self, name):
        page = self.pages.pop(name, None) or Page(name)
        self.pages[name] = page
        if len(self.pages) > self.limit:
            self.pages.popitem(last=False)
        return page


class Page:
    def __init__(self, name):
        self.text = json.dumps({"page": name, "rows": ["row %d of %s" % (row, name) for row in range(50)]})


class Session:
    def __init__(self, number):
        self.number = number
        self.basket = {"item %d" % place: number * place for place in range(20)}
        self.draft = bytes(16 << 10)

    def on_settings(self, settings):
        self.basket.update(settings)


settings_changed = Signal()
cache = Cache(64)


class Handler(http.server.BaseHTTPRequestHandler):
    leaks = False
    served = 0

    def do_GET(self):
        Handler.served += 1
        session = Session(Handler.served)
        receiver = lambda settings: session.on_settings(settings)  # noqa: E731
        settings_changed.connect(receiver)
        try:
            body = cache.page(self.path).text.encode()
            garbage = [{"row": row, "all": None} for row in range(100)]
            garbage[0]["all"] = garbage  # a cycle: gone with the next collection
            log.info("session %d: %s, %d bytes", session.number, self.path, len(body))
            self.send_response(200)
            self.end_headers()  # no length: the client reads until the connection is closed, which is after this function has returned
            self.wfile.write(body)
        finally:
            if not self.leaks:
                settings_changed.disconnect(receiver)

    def log_message(self, *arguments):
        log.debug(*arguments)


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    Handler.leaks = "--leak" in sys.argv[1:]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
