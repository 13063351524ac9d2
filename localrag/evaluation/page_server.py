"""One file behind an address on this machine, for loaders that take addresses only."""

from __future__ import annotations

import http.server
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote


@contextmanager
def served(path: Path) -> Iterator[str]:
    """Yield an `http://127.0.0.1:...` address that answers with the file's bytes as they are now."""
    body = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    # HTML names its own charset; an HTTP one would be believed before it.
    content_type = kind if kind == "text/html" else f"{kind}; charset=utf-8"

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: standard error belongs to whoever serves the page."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="page-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{quote(path.name)}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
