"""Runs a workflow with the generated client and waits for what comes out.

    cargo xtask clients
    pip install ./target/clients/python
    TENURE_SERVER=http://127.0.0.1:8080 TENURE_KEY=tnr_… python clients/python/example.py
"""

import os
import sys

from tenure_client import AuthenticatedClient
from tenure_client.api.executions import executions_save_output, executions_start
from tenure_client.api.workflows import workflows_create
from tenure_client.models import Problem, NewExecution, WorkflowsCreateJsonBody

DEFINITION = {
    "name": "Total of an order",
    "input": {"type": "object", "required": ["prices"], "properties": {"prices": {"type": "array", "items": {"type": "number"}}}},
    "nodes": {"total": {"type": "transform", "jq": "{total: ([.input.prices[]] | add)}"}},
    "edges": [{"from": "start", "to": "total"}, {"from": "total", "to": "end"}],
}


def good(answer):
    """The answer, unless it is a problem document (RFC 9457): that says what happened, where, and what to do."""
    if isinstance(answer, Problem):
        sys.exit(f"{answer.title}: {answer.detail} {[f'{e.pointer} {e.detail}' for e in answer.errors or []]}")
    return answer


client = AuthenticatedClient(os.environ["TENURE_SERVER"], os.environ["TENURE_KEY"])
workflow = good(workflows_create.sync(client=client, body=WorkflowsCreateJsonBody.from_dict(DEFINITION)))
start = NewExecution.from_dict({"input": {"prices": [19.5, 3, 0.5]}})
execution = good(executions_start.sync(workflow.id, client=client, body=start, wait="30s"))
print(execution.state, good(executions_save_output.sync(execution.id, client=client)))
