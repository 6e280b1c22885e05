"""The real server, from TENURE_BIN on an empty data directory, and somebody who has one thing of each kind."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
PASSWORD = "a quiet green meadow"


class Server:
    """A server on a free port of the loopback."""

    def __init__(self, **settings: str) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="tenure-interop-"))
        self.data.chmod(0o711)  # root's server has another user run PostgreSQL in it
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{probe.getsockname()[1]}"
        self.origin = f"http://{listen}"
        plenty = {f"TENURE_LIMITS_{subject}": "1000000/60s" for subject in ("USER", "TENANT", "ADDRESS", "KEY", "KEY_LONG")}
        own = {"TENURE_DATA_DIR": str(self.data), "TENURE_LISTEN": listen, "TENURE_LOG": "warn"}
        environment = os.environ | plenty | own | settings
        self.process = subprocess.Popen([os.environ["TENURE_BIN"], "serve"], env=environment, stdin=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        # As long as a new machine needs to compile the guests' images.
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}"
            try:
                if httpx.get(f"{self.origin}/readyz").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError("the server was not ready in time")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)
        shutil.rmtree(self.data, ignore_errors=True)


class Person:
    """Somebody who registered, and calls the API."""

    def __init__(self, server: Server) -> None:
        self.username = f"ada{secrets.token_hex(4)}"
        new = {
            "email": f"{self.username}@example.com",
            "username": self.username,
            "password": PASSWORD,
            "full_name": "Ada Lovelace",
            "organization_name": f"Engines {self.username}",
        }
        self.api = httpx.Client(base_url=f"{server.origin}/api/v1", timeout=30)
        login = self.call("POST", "/auth/register", new)
        self.token: str = login["access_token"]
        self.user: dict = login["user"]
        self.api.headers["authorization"] = f"Bearer {self.token}"

    def call(self, method: str, path: str, body: object = None) -> dict:
        answer = self.api.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json() if answer.content else {}

    def first(self, path: str) -> str:
        return self.call("GET", path)["items"][0]["id"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def description() -> dict:
    return json.loads((ROOT / "openapi.json").read_text())
