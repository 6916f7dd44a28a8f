"""An S3 server over HTTP (moto's) that can be told to fail, and homes whose segments lie in it."""

from __future__ import annotations

import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

Respond = Callable[..., Any]


class Trouble:
    """What the server does to the next requests that a test names, by method; everything else is answered."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._plan: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self._released = threading.Event()

    def plan(self, method: str, what: str, times: int = 1) -> None:
        """`what`: `503`, `stall`, `cut` (half a body, then the end), `lost` (done, and then no answer)."""
        self._plan += [(method, what)] * times

    def clear(self) -> None:
        self._released.set()
        self._released = threading.Event()
        self._plan.clear()
        self.asked.clear()

    def __call__(self, environ: dict[str, Any], start: Respond) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        self.asked.append(method)
        what = next((what for planned, what in self._plan if planned == method), "")
        if what:
            self._plan.remove((method, what))
        if what == "503":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Length", "0")])
            return [b""]
        if what == "stall":
            self._released.wait(20.0)
        answer = self._app(environ, start)
        if what == "cut":
            return _half(b"".join(answer))
        if what == "lost":
            list(answer)
            raise ConnectionError("the answer is lost")
        return answer


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionError("cut")


class ObjectStore:
    """The running server."""

    def __init__(self, endpoint: str, trouble: Trouble) -> None:
        self.endpoint = endpoint
        self.trouble = trouble

    def home(self, folder: Path, *, timeout_s: float = 20.0, bucket: str = "") -> str:
        """Settings for a home whose segments lie in a bucket of its own; returns the bucket."""
        bucket = bucket or self.bucket()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "freehold.toml").open("a") as file:
            file.write(
                f'[ledger]\nsegments = "s3://{bucket}/here"\nsegments_endpoint = "{self.endpoint}"\n'
                f"segments_timeout_s = {timeout_s}\n"
            )
        return bucket

    def bucket(self) -> str:
        from moto.s3.models import s3_backends

        name = f"b-{secrets.token_hex(6)}"
        s3_backends["123456789012"]["global"].create_bucket(name, "us-east-1")
        return name

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What the bucket holds, by key, the owner's mark left out."""
        from moto.s3.models import s3_backends

        keys = s3_backends["123456789012"]["global"].buckets[bucket].keys
        return {name: keys[name].value for name in keys if not name.endswith("freehold-ledger")}


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Serve until the block ends, in threads of this process."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            """Say nothing."""

    trouble = Trouble(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, trouble, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"{endpoint}/nothing/there")  # it loads the rest of itself at the first request
        yield ObjectStore(endpoint, trouble)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
