"""Schemathesis against the API's own description: no fault of the server, and no answer but those it describes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Person, Server

# These end the login that the run itself uses, change its password, lock its account by guesses, or let its organisation
# make one call a day: what comes after them would only meet 401 and 429.
ENDS_THE_LOGIN = r"/auth/(logout|password|sessions|refresh|me/delete)|/v1/rate-limits$"
# A schema cannot tell every rule ("give either user name or address"), so what it allows may be refused, as a 4xx.
NOT_ASKED = "positive_data_acceptance"


def fill(ada: Person) -> dict[str, str]:
    """One thing of each kind, by the prefix of its identifier."""
    wait = {"name": "waits", "nodes": {"a": {"type": "wait", "for": "1h"}}, "edges": [{"from": "start", "to": "a"}, {"from": "a", "to": "end"}]}
    workflow = ada.call("POST", "/workflows", wait)["id"]
    upload = {
        "manifest": "name: acme/one\nversion: 1.0.0\nkind: node\n",
        "source": "def execute(state, config):\n    return 1\n",
    }
    plugin = ada.call("POST", "/plugins", upload)["version"]["plugin_id"]
    ada.call("PUT", "/secrets/hook", {"value": "a secret of theirs"})
    ada.call("POST", "/roles", {"name": "hook", "permissions": ["team:read"]})
    key = ada.call("POST", "/api-keys", {"name": "theirs", "scopes": ["team:read"]})
    edith = f"edith-{ada.username}"
    member = {"email": f"{edith}@example.com", "username": edith, "full_name": "Edith", "password": "a loud yellow morning"}
    people = "email,username,full_name,password\ngrace@import.example,grace-imported,Grace,a loud yellow morning\n"
    return {
        "usr": ada.call("POST", "/users", member)["id"],
        "imp": ada.call("POST", "/users/import", {"csv": people, "dry_run": True})["id"],
        "team": ada.first("/teams"),
        "evt": ada.first("/audit/events"),
        "key": key["api_key"]["id"],
        "svc": ada.call("POST", "/service-accounts", {"name": "theirs"})["id"],
        "wf": workflow,
        "exe": ada.call("POST", f"/workflows/{workflow}/executions", {"input": {}})["id"],
        "plg": plugin,
    }


def known(description: dict, ids: dict[str, str]) -> str:
    """Tells Schemathesis what stands in the paths, so that it does not only meet 404."""
    lines = []
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            values = {}
            for parameter in operation.get("parameters", []):
                if parameter["in"] != "path":
                    continue
                prefix = re.match(r"\^([a-z]+)_", parameter["schema"].get("pattern", ""))
                names = {"name": "hook", "step": "a", "version": "1.0.0" if "/plugins/" in path else 1}
                value = ids.get(prefix[1]) if prefix else names.get(parameter["name"])
                if value is not None:
                    values[f"path.{parameter['name']}"] = value
            # Deleting comes last in a test of its own kind; here it would take the thing from all others.
            if values and method != "delete":
                lines += ["[[operations]]", f"include-name = {json.dumps(f'{method.upper()} {path}')}", "[operations.parameters]"]
                lines += [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("who", ["an administrator", "nobody"])
def test_every_answer_is_one_that_is_described(server: Server, description: dict, tmp_path: Path, who: str) -> None:
    ada = Person(server)
    config, report = tmp_path / "schemathesis.toml", tmp_path / "report.json"
    config.write_text(known(description, fill(ada)))
    # With one worker, which is the default: the standard library's parser, which it uses, cannot be used by two threads.
    command = [
        str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run", str(ROOT / "openapi.json"),
        "--origin", server.origin, "--checks", "all", "--exclude-checks", f"{NOT_ASKED},ignored_auth",
        "--phases", "examples,coverage,fuzzing" if who == "an administrator" else "examples,coverage", "--max-examples", "8", "--seed", "1",
        # Otherwise it sends credentials of its own making, and nearly every answer is 401.
        "--generation-with-security-parameters", "false",
        "--exclude-path-regex", ENDS_THE_LOGIN, "--continue-on-failure", "--no-shrink",
        "--report-json-path", str(report),
    ]  # fmt: skip
    # Without any header Schemathesis would register somebody.
    token = ada.token if who == "an administrator" else "nothing"
    command += ["--header", f"Authorization: Bearer {token}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", run.stdout)
    assert tested and int(tested[1]) > 80, run.stdout[-2000:]
    if who == "an administrator":
        # Those that finish a login: nobody makes up what they ask for. Were the own login over, nearly all would be here.
        refused = re.search(r"Authentication failed: (\d+) operations?", run.stdout)
        assert refused is None or int(refused[1]) <= 4, run.stdout[-8000:]
    assert server.process.poll() is None
    ada.call("GET", "/auth/me")
