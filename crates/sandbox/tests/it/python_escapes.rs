//! The families through which engines of this kind were broken, against the interpreter.

use crate::support::python;
use serde_json::json;
use tenure_sandbox::PluginError;

/// Each attempt reports what it got; `None` or an exception is what must come back.
const ATTEMPTS: &[(&str, &str)] = &[
    // Imports.
    ("import os", "import os\n    return os.listdir('/')"),
    ("import sys", "import sys\n    return list(sys.modules)"),
    ("import subprocess", "import subprocess\n    return subprocess.check_output(['id']).decode()"),
    ("import socket", "import socket\n    return socket.gethostname()"),
    ("import ctypes", "import ctypes\n    return str(ctypes.CDLL(None))"),
    ("import importlib", "import importlib\n    return str(importlib.import_module('os'))"),
    ("import builtins", "import builtins\n    return str(builtins.open('/etc/passwd'))"),
    ("import threading", "import threading\n    t = threading.Thread(target=print); t.start()"),
    ("import wit_world", "from wit_world.imports import host\n    return str(host)"),
    ("import time", "import time\n    return time.time()"),
    ("import asyncio", "import asyncio\n    return str(asyncio.get_event_loop())"),
    ("dunder import", "return str(__import__('os').environ)"),
    ("dunder import of a part", "return str(__import__('collections.os'))"),
    ("relative import", "from .. import os"),
    ("eval", "return str(eval(\"__import__('os').environ\"))"),
    ("exec", "exec(\"import os\\nx = os.environ\")"),
    ("compile", "exec(compile('import subprocess', 'x', 'exec'))"),
    // Builtins.
    ("open", "return open('/etc/passwd').read()"),
    ("open for writing", "open('/tmp/escape', 'w').write('x')"),
    ("input", "return input()"),
    ("breakpoint", "breakpoint()"),
    ("io.open", "import io\n    return io.open('/etc/passwd').read()"),
    ("io.FileIO", "import io\n    return io.FileIO('/etc/passwd').read().decode()"),
    ("io.open_code", "import io\n    return io.open_code('/etc/passwd').read().decode()"),
    ("file descriptor 0", "import io\n    return io.FileIO(0).read().decode()"),
    ("file descriptor 3", "import io\n    return io.FileIO(3, 'w').write(b'x')"),
    // Past the import filter, through what modules carry along: the interpreter's own walls stand behind it.
    ("os through a module", "import random\n    return random._os.listdir('/')"),
    ("environment through a module", "import random\n    return dict(random._os.environ) or None"),
    ("os.system", "import random\n    return random._os.system('id > /tmp/escape')"),
    ("os.popen", "import random\n    return random._os.popen('id').read()"),
    ("os.fork", "import random\n    return random._os.fork()"),
    ("os.execv", "import random\n    random._os.execv('/bin/sh', ['sh'])"),
    ("os.open", "import random\n    os = random._os\n    return os.read(os.open('/etc/passwd', 0), 9).decode()"),
    ("os.mkdir", "import random\n    random._os.mkdir('/tmp/escape')"),
    ("os.kill", "import random\n    random._os.kill(1, 9)"),
    ("os._exit", "import random\n    random._os._exit(0)"),
    ("os.abort", "import random\n    random._os.abort()"),
    ("os.urandom", "import random\n    return random._os.urandom(4).hex()"),
    ("os.getcwd", "import random\n    return random._os.getcwd()"),
    ("sys through a module", "import dataclasses\n    return dataclasses.sys.modules['os'].listdir('/')"),
    ("sys.exit", "import dataclasses\n    dataclasses.sys.exit(0)"),
    ("sys.modules and socket", "import dataclasses\n    return str(dataclasses.sys.modules['socket'])"),
    (
        "sys.meta_path",
        "import dataclasses\n    for f in dataclasses.sys.meta_path:\n        s = f.find_spec('socket', None)\n        if s: return str(s.loader.load_module('socket').gethostbyname('localhost'))",
    ),
    // Subclasses, frames, exceptions, format strings.
    (
        "subclasses",
        "for c in ().__class__.__base__.__subclasses__():\n        if c.__name__ == 'FileIO': return c('/etc/passwd').read().decode()",
    ),
    (
        "subclasses and warnings",
        "for c in object.__subclasses__():\n        if c.__name__ == 'catch_warnings': return str(c()._module.__builtins__['open']('/etc/passwd').read())",
    ),
    ("subclasses and Popen", "for c in object.__subclasses__():\n        if c.__name__ == 'Popen': return c(['id'])"),
    (
        "subclasses and BuiltinImporter",
        "for c in object.__subclasses__():\n        if c.__name__ == 'BuiltinImporter': return c.load_module('posix').listdir('/')",
    ),
    ("frame of the caller", "import dataclasses\n    return dataclasses.sys._getframe(1).f_globals['os'].listdir('/')"),
    (
        "traceback frame",
        "try:\n        1/0\n    except Exception as e:\n        f = e.__traceback__.tb_frame\n        while f.f_back: f = f.f_back\n        return f.f_globals['os'].listdir('/')",
    ),
    ("generator frame", "g = (x for x in [1])\n    return g.gi_frame.f_builtins['__import__']('os').listdir('/')"),
    (
        "exception with a rich message",
        "class E(Exception):\n        def __str__(self): return __import__('os').getcwd()\n    raise E()",
    ),
    (
        "exception groups",
        "try:\n        raise ExceptionGroup('x', [ValueError(1)])\n    except* ValueError as e:\n        x = e.__traceback__.tb_frame.f_back.f_globals['os'].getcwd()\n    return x",
    ),
    (
        "format string",
        "return '{0.__class__.__init__.__globals__[os].environ}'.format(type('X', (), {'__init__': lambda self: None})())",
    ),
    (
        "format of a function's globals",
        "def f(): pass\n    return '{0.__globals__[__builtins__][open]}'.format(f)('/etc/passwd')",
    ),
    (
        "globals of a library function",
        "import textwrap\n    return textwrap.dedent.__globals__['__builtins__']['open']('/etc/passwd').read()",
    ),
    (
        "import of a library function",
        "import textwrap\n    return textwrap.dedent.__globals__['__builtins__']['__import__']('posix').listdir('/')",
    ),
    ("closure of the import filter", "return __import__.__globals__['real_import']('os').listdir('/')"),
    ("globals of the guest", "g = __import__.__globals__\n    return g['os'].listdir('/')"),
    ("bytecode", "c = (lambda: 0).__code__.replace(co_code=b'\\x00' * 4000)\n    return type(lambda: 0)(c, {})()"),
    (
        "forged code object",
        "c = (lambda: 0).__code__.replace(co_consts=(), co_code=bytes([100, 200, 83, 0]) * 50)\n    return type(lambda: 0)(c, {})()",
    ),
    // The bridge.
    ("http that was not granted", "import tenure\n    return tenure.http('GET', 'http://169.254.169.254/')"),
    ("bridge with a wrong type", "import tenure\n    tenure.http.__globals__['host'].log(7, object())"),
    (
        "bridge with a forged request",
        "import tenure\n    return tenure.http.__globals__['host'].http('{\"method\": \"GET\"')",
    ),
    (
        "bridge runtime module",
        "import dataclasses\n    return dataclasses.sys.modules['componentize_py_runtime'].call_import(99, [], 0)",
    ),
    (
        "bridge runtime with wrong arguments",
        "import dataclasses\n    return dataclasses.sys.modules['componentize_py_runtime'].call_import(0, [1, 2, 3], 9)",
    ),
    // Clocks, and the rest of what needs an operating system.
    ("datetime.now", "import datetime\n    return str(datetime.datetime.now())"),
    ("date.today", "import datetime\n    return str(datetime.date.today())"),
    ("uuid4", "import uuid\n    return str(uuid.uuid4())"),
    ("uuid1", "import uuid\n    return str(uuid.uuid1())"),
    ("SystemRandom", "import random\n    return random.SystemRandom().random()"),
    ("Random without a seed", "import random\n    return random.Random().random()"),
    ("time through sys", "import dataclasses\n    return dataclasses.sys.modules['time'].time()"),
    ("sleep through sys", "import dataclasses\n    dataclasses.sys.modules['time'].sleep(60)"),
    ("signal", "import dataclasses\n    return str(dataclasses.sys.modules['signal'].alarm(1))"),
    (
        "thread through sys",
        "import dataclasses\n    return dataclasses.sys.modules['_thread'].start_new_thread(print, ())",
    ),
    (
        "ctypes through the importer",
        "import dataclasses\n    import_ = __import__.__globals__['real_import']\n    return str(import_('_ctypes'))",
    ),
    (
        "mmap through the importer",
        "import_ = __import__.__globals__['real_import']\n    return str(import_('mmap').mmap(-1, 10))",
    ),
    ("urllib.request", "import urllib.request\n    return urllib.request.urlopen('http://127.0.0.1/').read()"),
    (
        "pickle",
        "import_ = __import__.__globals__['real_import']\n    return str(import_('pickle').loads(b\"cos\\nsystem\\n(S'id'\\ntR.\"))",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attempt_gets_out() {
    let _ = std::fs::remove_file("/tmp/escape");
    let mut got = Vec::new();
    for (name, body) in ATTEMPTS {
        let source = format!("def execute(state, config):\n    {body}\n");
        let outcome = python(&source, &json!({})).await;
        match outcome.result {
            Err(PluginError::Raised { raised }) => {
                assert_ne!(raised.class, "IndentationError", "{name} is not a test");
                assert_ne!(raised.class, "SyntaxError", "{name} is not a test");
                assert!(!raised.message.contains("root:"), "{name}: {raised:?}");
            }
            Err(PluginError::Refused { .. } | PluginError::Crash(_) | PluginError::Limit(_)) => {}
            Err(other) => panic!("{name}: {other:?}"),
            Ok(value) if value.is_null() => {}
            // The root of a file system that is not there, and a number that follows from the call's seed.
            Ok(value) if value == "/" || *name == "Random without a seed" && value.is_f64() => {}
            Ok(value) => got.push((*name, value)),
        }
    }
    assert!(!std::path::Path::new("/tmp/escape").exists());
    assert_eq!(got, [], "these came back with something; is any of it the host's?");
}

/// What an attempt does to its own interpreter is gone with it.
#[tokio::test]
async fn vandalism_ends_with_the_call() {
    let source = "
import json, tenure
def execute(state, config):
    g = tenure.http.__globals__
    g['dumps'] = lambda *a, **k: '{\"forged\": true}'
    g['describe'] = None
    json.loads = None
    __import__.__globals__['ALLOWED'] = None
    return 1
";
    let outcome = python(source, &json!({})).await;
    assert_eq!(outcome.result, Ok(json!({ "forged": true })), "a plugin may forge its own result: it is its own");
    let outcome = python("import json\ndef execute(state, config):\n    return json.loads('[1]')\n", &json!({})).await;
    assert_eq!(outcome.result, Ok(json!([1])));
}
