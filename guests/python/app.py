"""The Python guest: runs the source of one plugin call inside CPython, itself inside the sandbox.

The sandbox is the wall: the component is linked to `log` and `http` and to nothing else. What this file adds is courtesy, so that
a plugin that reaches for files, clocks or processes gets a Python exception with a line number instead of a dead instance.

Modules imported here, before the snapshot is taken, are the only ones that exist later.
"""

import ast
import builtins
import io
import json
import linecache
import os
import random
import sys
import traceback
import types

import componentize_py_types
import wit_world
from wit_world.imports import host

# What plugins may import. The first name is what they write, the import brings its parts along.
import base64, binascii, bisect, calendar, cmath, collections, collections.abc, colorsys, contextlib, copy, csv  # noqa: E401
import dataclasses, datetime, decimal, difflib, enum, fractions, functools, graphlib, hashlib, heapq, hmac, html  # noqa: E401
import html.entities, html.parser, itertools, keyword, math, numbers, operator, pprint, re, reprlib, statistics  # noqa: E401
import string, struct, textwrap, typing, unicodedata, urllib.parse, uuid, zlib  # noqa: E401
import __future__, abc, _strptime, encodings.idna  # noqa: E401, F401

ALLOWED = frozenset(
    """__future__ abc base64 binascii bisect calendar cmath collections collections.abc colorsys contextlib copy csv dataclasses
    datetime decimal difflib enum fractions functools graphlib hashlib heapq hmac html html.entities html.parser io itertools json
    keyword math numbers operator pprint random re reprlib statistics string struct tenure textwrap typing unicodedata urllib
    urllib.parse uuid zlib""".split()
)

# Calls that parse but cannot work, by the name they are written under.
UNWORKABLE = {
    "open": "plugins have no files",
    "input": "plugins have no terminal",
    "breakpoint": "plugins have no debugger",
    "io.open": "plugins have no files",
    "datetime.now": "plugins have no clock; take the time from state or config",
    "datetime.utcnow": "plugins have no clock; take the time from state or config",
    "datetime.today": "plugins have no clock; take the time from state or config",
    "date.today": "plugins have no clock; take the time from state or config",
    "datetime.datetime.now": "plugins have no clock; take the time from state or config",
    "datetime.datetime.utcnow": "plugins have no clock; take the time from state or config",
    "datetime.date.today": "plugins have no clock; take the time from state or config",
    "uuid.uuid1": "plugins have no clock and no network card",
    "uuid.uuid4": "plugins have no source of secure randomness; uuid5 and random work",
    "random.SystemRandom": "plugins have no source of secure randomness; random itself works",
}

FILE = "<plugin>"


def refusing(reason):
    def refuse(*_args, **_kwargs):
        raise PermissionError(reason)

    return refuse


SURROGATES = re.compile("[\ud800-\udfff]")


def sendable(text):
    """Python's text may hold halves of characters, which no other language's text can: the call would end the interpreter."""
    return SURROGATES.sub("\ufffd", text)


class Log(io.TextIOBase):
    """Standard output and error: each line becomes a log entry."""

    def __init__(self, level):
        self.level, self.pending = level, ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            host.log(self.level, sendable(line))
        return len(text)

    def finish(self):
        if self.pending:
            host.log(self.level, sendable(self.pending))
            self.pending = ""


def log(message, level="info"):
    """Writes to the log of the step; levels are debug, info, warning and error."""
    host.log(host.Level[level.upper()], sendable(str(message)))


class HttpError(Exception):
    """The call was refused or failed."""


def http(method, url, *, headers=None, json=None, body=None):
    """One outbound call, where the plugin was granted it: {"status", "headers", "body"}, plus "json" where the body is JSON."""
    request = {"method": method, "url": url, "headers": dict(headers or {}), "body": body}
    if json is not None:
        request["headers"].setdefault("content-type", "application/json")
        request["body"] = dumps(json)
    try:
        response = loads(host.http(dumps(request)))
    except componentize_py_types.Err as error:
        raise HttpError(error.value) from None
    try:
        response["json"] = loads(response["body"])
    except ValueError:
        pass
    return response


dumps, loads = json.dumps, json.loads

tenure = types.ModuleType("tenure", "What a plugin can ask of its host.")
tenure.log, tenure.http, tenure.HttpError = log, http, HttpError
sys.modules["tenure"] = tenure

real_import = builtins.__import__


# What the interpreter's own C code imports in the plugin's name; it asks with an empty list of names where `import` says None.
INTERNAL, FROM_C = frozenset(["_strptime", "time"]), []


def plugin_import(name, globals=None, locals=None, fromlist=(), level=0):
    internal = name in INTERNAL and fromlist == FROM_C
    if level or (name not in ALLOWED and not internal):
        raise ModuleNotFoundError(f"the module {name!r} is not available to plugins", name=name)
    return real_import(name, globals, locals, fromlist, level)


def prepare():
    """Done once, before the snapshot."""
    # Nothing is imported from files any more.
    sys.path.clear()
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    linecache.updatecache = lambda *_args, **_kwargs: []
    linecache.lazycache = lambda *_args, **_kwargs: False
    os.urandom = uuid.os.urandom = refusing(UNWORKABLE["uuid.uuid4"])
    random._urandom = os.urandom
    sys.stdin = None
    sys.setrecursionlimit(800)
    # Warm what the first call would build: regular expressions, decimal contexts, time formats.
    datetime.datetime.strptime("2020-01-01T00:00:00", "%Y-%m-%dT%H:%M:%S")
    compile("def execute(state, config):\n    return {**state}\n", FILE, "exec")
    dumps(loads('{"a": [1, 2.5, null, "b"]}'), allow_nan=False)


def namespace():
    allowed = dict(vars(builtins))
    for name in ("open", "input", "breakpoint"):
        allowed[name] = refusing(UNWORKABLE[name])
    for name in ("exit", "quit", "help", "copyright", "credits", "license"):
        allowed.pop(name, None)
    allowed["__import__"] = plugin_import
    return {"__builtins__": allowed, "__name__": "plugin", "__file__": FILE}


def describe(error):
    """The error as the user should see it: their lines, nobody else's."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    line = frames[-1].lineno if frames else None
    if isinstance(error, SyntaxError) and error.filename == FILE:
        line = error.lineno
    try:
        message = str(error)
    except Exception:
        message = "(the exception has no message)"
    lines = [f"line {frame.lineno}, in {frame.name}" for frame in frames[-20:]]
    told = {"class": type(error).__name__, "message": message[:4000], "line": line, "traceback": lines}
    return sendable(dumps(told, ensure_ascii=False))


class ResultError(Exception):
    """What `execute` returned is not JSON."""


def run(source, input, seed):
    random.seed(seed)
    code = compile(source, FILE, "exec", dont_inherit=True)
    plugin = namespace()
    exec(code, plugin)
    execute = plugin.get("execute")
    if not callable(execute):
        raise ResultError("the source does not define execute(state, config)")
    given = loads(input)
    result = execute(given["state"], given["config"])
    try:
        return dumps(result, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultError(f"execute returned a {type(result).__name__} that is not JSON: {error}") from None


def dotted(node):
    """`a.b.c` as text, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return None


def faults(source):
    def fault(kind, node, message):
        return {"kind": kind, "message": message, "line": node.lineno or 1, "column": (node.col_offset or 0) + 1}

    def unavailable(node, name):
        return fault("import", node, f"the module {name!r} is not available to plugins")

    try:
        tree = ast.parse(source, FILE)
    except SyntaxError as error:
        return [{"kind": "syntax", "message": error.msg, "line": error.lineno or 1, "column": error.offset or 1}]
    except (ValueError, RecursionError, MemoryError) as error:
        return [{"kind": "syntax", "message": str(error) or "too deeply nested", "line": 1, "column": 1}]

    found = []
    execute = None
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "execute":
            execute = node
        elif isinstance(node, ast.Assign) and any(dotted(target) == "execute" for target in node.targets):
            execute = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and any(
            (alias.asname or alias.name) == "execute" for alias in node.names
        ):
            execute = node
    if execute is None:
        found.append({"kind": "execute", "message": "define execute(state, config)", "line": 1, "column": 1})
    elif isinstance(execute, ast.AsyncFunctionDef):
        found.append(fault("execute", execute, "execute must be a plain function, not an async one"))
    elif isinstance(execute, ast.FunctionDef):
        parameters = execute.args
        most = len(parameters.posonlyargs) + len(parameters.args)
        if not parameters.vararg and (most < 2 or most - len(parameters.defaults) > 2):
            found.append(fault("execute", execute, "execute takes two arguments: state and config"))

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [unavailable(node, alias.name) for alias in node.names if alias.name not in ALLOWED]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module not in ALLOWED:
                found.append(unavailable(node, "." * node.level + (node.module or "")))
        elif isinstance(node, ast.Call) and (reason := UNWORKABLE.get(dotted(node.func))):
            found.append(fault("call", node, reason))
    return sorted(found, key=lambda item: (item["line"], item["column"]))


class WitWorld(wit_world.WitWorld):
    def execute(self, source, input, seed):
        sys.stdout, sys.stderr = Log(host.Level.INFO), Log(host.Level.WARNING)
        try:
            return run(source, input, seed)
        except BaseException as error:
            raise componentize_py_types.Err(describe(error)) from None
        finally:
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, Log):
                    stream.finish()

    def check(self, source):
        return dumps(faults(source))


prepare()
