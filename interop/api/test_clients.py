"""The generated clients' examples, and every example of docs/api-clients.md, as a reader would run them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Person, Server

TOTAL = 'succeeded {"total":23}'


def run(command: list[str], environment: dict[str, str], directory: Path = ROOT) -> str:
    done = subprocess.run(command, env=os.environ | environment, cwd=directory, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clients() -> Path:
    return Path(os.environ["TENURE_CLIENTS"])


@pytest.fixture
def access(server: Server) -> dict[str, str]:
    """What the examples ask for: an address, and a key that may do what they do."""
    ada = Person(server)
    scopes = ["team:*", "workflow:*", "execution:*"]
    key = ada.call("POST", "/api-keys", {"name": "examples", "scopes": scopes})
    return {"TENURE_SERVER": server.origin, "TENURE_KEY": key["key"]}


@pytest.fixture(scope="module")
def typescript(clients: Path) -> Path:
    """The TypeScript client, compiled with everything that its example needs."""
    at = clients / "typescript"
    modules = at / "node_modules"
    # Another clone's, which may be gone.
    modules.unlink(missing_ok=True)
    modules.symlink_to(ROOT / "console" / "node_modules")
    return at


def compiled(typescript: Path, name: str, source: str) -> str:
    (typescript / f"{name}.ts").write_text(source)
    run(["node", "node_modules/typescript/bin/tsc"], {}, typescript)
    return f"dist/{name}.js"


def test_the_python_example_runs(clients: Path, access: dict[str, str]) -> None:
    said = run([sys.executable, "clients/python/example.py"], access | {"PYTHONPATH": str(clients / "python")})
    assert said == "succeeded {'total': 23.0}\n"


def test_the_typescript_example_runs(typescript: Path, access: dict[str, str]) -> None:
    program = compiled(typescript, "example", (ROOT / "clients/typescript/example.ts").read_text())
    assert run(["node", program], access, typescript).strip() == TOTAL


def test_a_client_tells_what_was_refused(clients: Path, access: dict[str, str]) -> None:
    environment = access | {"TENURE_KEY": "tnr_nothing", "PYTHONPATH": str(clients / "python")}
    done = subprocess.run([sys.executable, "clients/python/example.py"], env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "the API key is not valid" in done.stderr, done


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "api-clients.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_curl_examples_run(access: dict[str, str]) -> None:
    found = blocks("bash")
    assert len(found) >= 5
    said = run(["bash", "-euo", "pipefail", "-c", "\n".join(found)], access)
    documents = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    # The same key gave the same answer; a refusal is a problem document; the run ended with its output.
    created = [document["id"] for document in documents if document.get("name") == "Field operations"]
    assert len(created) == 2 and created[0] == created[1]
    problems = [document for document in documents if document.get("code") == "invalid"]
    assert problems and problems[0]["errors"][0]["pointer"] == "/name"
    assert documents[-1] == {"total": 23}


def test_the_python_examples_run(clients: Path, access: dict[str, str]) -> None:
    found = blocks("python")
    assert len(found) >= 3
    said = run([sys.executable, "-c", "\n".join(found)], access | {"PYTHONPATH": str(clients / "python")})
    assert "must be 1 to 100 characters" in said and said.rstrip().endswith("succeeded {'total': 23.0}"), said


def test_the_typescript_examples_run(typescript: Path, access: dict[str, str]) -> None:
    found = blocks("typescript")
    assert len(found) >= 3
    program = compiled(typescript, "documentation", "\n".join(found))
    said = run(["node", program], access, typescript)
    assert "must be 1 to 100 characters" in said and said.rstrip().endswith(TOTAL), said
