//! Plugins that behave.

use crate::support::{PYTHON, python};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenure_sandbox::{
    HostFuture, HttpRequest, HttpResponse, LogLevel, LogLine, PluginError, PluginHost, PythonCall, PythonLimits, Raised,
};

#[tokio::test]
async fn execute_gets_state_and_config_and_returns_json() {
    let source = "
import re, json, collections
from datetime import datetime
def execute(state, config):
    words = re.findall(r'\\w+', state['input']['text'])
    return {'words': collections.Counter(words).most_common(1), 'threshold': config['threshold'],
            'year': datetime.fromisoformat('2026-01-02').year, 'nothing': None, 'half': 0.5, 'ü': 'ß'}
";
    let state = json!({ "input": { "text": "a b a" } });
    let config = json!({ "threshold": 3 });
    let outcome = PYTHON.call(PythonCall::new(source, &state, &config)).await;
    let expected = json!({ "words": [["a", 2]], "threshold": 3, "year": 2026, "nothing": null, "half": 0.5, "ü": "ß" });
    assert_eq!(outcome.result, Ok(expected));
    assert!(outcome.usage.fuel > 0 && outcome.usage.peak_memory > 1 << 20 && !outcome.usage.duration.is_zero());
    assert_eq!((outcome.logs.len(), outcome.logs_truncated), (0, false));
}

#[tokio::test]
async fn every_module_on_the_list_can_be_imported_and_used() {
    let source = "
import base64, bisect, calendar, collections, collections.abc, contextlib, copy, csv, dataclasses, datetime, decimal, difflib, enum
import fractions, functools, hashlib, heapq, hmac, html, io, itertools, json, math, numbers, operator, pprint, random, re, statistics
import string, struct, textwrap, typing, unicodedata, urllib.parse, uuid, zlib
def execute(state, config):
    rows = list(csv.DictReader(io.StringIO('a,b\\n1,2\\n')))
    @dataclasses.dataclass
    class Point:
        x: int
    return [base64.b64encode(b'x').decode(), bisect.bisect([1, 3], 2), rows, str(decimal.Decimal('0.1') + 1),
        str(fractions.Fraction(1, 3)), hashlib.sha256(b'').hexdigest()[:8], html.escape('<'), statistics.mean([1, 3]),
        Point(1).x, urllib.parse.quote('a b'), textwrap.shorten('a b c', 4, placeholder=''), unicodedata.name('a'), math.floor(2.5),
        str(uuid.uuid5(uuid.NAMESPACE_URL, 'x'))[:8], datetime.datetime.strptime('2026-03-01', '%Y-%m-%d').isoformat(),
        hmac.new(b'k', b'm', 'sha256').hexdigest()[:8], zlib.crc32(b'x'), heapq.nsmallest(1, [3, 1]), calendar.monthrange(2026, 2)[1],
        functools.reduce(lambda a, b: a + b, [1, 2]), re.sub('a', 'b', 'aa'), f'{1234.5:,.2f}', 'ÄÖ'.lower(),
        b'caf\\xc3\\xa9'.decode('utf-8'), 'é'.encode('latin-1').hex(), sorted({'b': 1, 'a': 2})]
";
    let outcome = python(source, &json!({})).await;
    let expected = json!([
        "eA==", 1, [{ "a": "1", "b": "2" }], "1.1", "1/3", "e3b0c442", "&lt;", 2, 1, "a%20b", "a b", "LATIN SMALL LETTER A", 2,
        "c9f30f4c", "2026-03-01T00:00:00", "a7c49517", 2_363_233_923_u32, [1], 28, 3, "bb", "1,234.50", "äö", "café", "e9", ["a", "b"]
    ]);
    let found = outcome.result.unwrap();
    for (index, (found, expected)) in found.as_array().unwrap().iter().zip(expected.as_array().unwrap()).enumerate() {
        // Two digests are whatever the algorithms say; their presence is what counts here.
        if ![13, 15].contains(&index) {
            assert_eq!(found, expected, "{index}");
        }
    }
}

#[tokio::test]
async fn exceptions_tell_class_message_line_and_the_plugins_own_frames() {
    let source = "def helper(x):\n    return {}[x]\n\ndef execute(state, config):\n    return helper('gone')\n";
    let outcome = python(source, &json!({})).await;
    let raised = Raised {
        class: "KeyError".into(),
        message: "'gone'".into(),
        line: Some(2),
        traceback: vec!["line 5, in execute".into(), "line 2, in helper".into()],
    };
    assert_eq!(outcome.result, Err(PluginError::Raised { raised }));
    for (source, class, line) in [
        ("def execute(state, config):\n  return 1 +\n", "SyntaxError", Some(2)),
        ("1/0\n", "ZeroDivisionError", Some(1)),
        ("x = 1\n", "ResultError", None),
        ("def execute(state):\n    return 1\n", "TypeError", None),
        ("def execute(state, config):\n    return object()\n", "ResultError", None),
        ("def execute(state, config):\n    return float('nan')\n", "ResultError", None),
        ("def execute(state, config):\n    return {1: {2, 3}}\n", "ResultError", None),
        ("def execute(state, config):\n    x = []\n    x.append(x)\n    return x\n", "ResultError", None),
        ("def execute(state, config):\n    raise SystemExit(3)\n", "SystemExit", Some(2)),
        ("def execute(state, config):\n    raise BaseException\n", "BaseException", Some(2)),
        (
            "class E(Exception):\n    def __str__(self): raise self\ndef execute(state, config):\n    raise E\n",
            "E",
            Some(4),
        ),
        ("", "ResultError", None),
        ("\0", "SyntaxError", None),
    ] {
        match python(source, &json!({})).await.result {
            Err(PluginError::Raised { raised }) => {
                assert_eq!((raised.class.as_str(), raised.line), (class, line), "{source:?}: {raised:?}")
            }
            other => panic!("{source:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_logged_and_printed_is_kept_also_on_failure() {
    let source = "
import tenure
def execute(state, config):
    tenure.log('starting')
    tenure.log('careful', level='warning')
    print('one', 2)
    print('no newline', end='')
    raise ValueError('x')
";
    let outcome = python(source, &json!({})).await;
    assert!(matches!(outcome.result, Err(PluginError::Raised { .. })));
    let line = |level, message: &str| LogLine { level, message: message.into() };
    assert_eq!(
        outcome.logs,
        [
            line(LogLevel::Info, "starting"),
            line(LogLevel::Warning, "careful"),
            line(LogLevel::Info, "one 2"),
            line(LogLevel::Info, "no newline"),
        ]
    );
}

struct Echo(AtomicUsize);

impl PluginHost for Echo {
    fn http(&self, request: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if request.url.contains("refused") {
                return Err("the host is not granted".to_owned());
            }
            let body =
                json!({ "call": count, "method": request.method, "got": request.body, "headers": request.headers });
            Ok(HttpResponse { status: 200, headers: BTreeMap::new(), body: body.to_string() })
        })
    }
}

/// Python's text may hold half a character: nothing outside can, and an interpreter that tried to send it would end.
#[tokio::test]
async fn half_a_character_is_replaced_where_it_is_written() {
    let source = "
import tenure
def execute(state, config):
    tenure.log('a\\ud800b')
    print('\\udfff', '😀')
    print('no end of line \\ud83d', end='')
    raise ValueError('about \\udabc')
";
    let outcome = python(source, &json!({})).await;
    let lines: Vec<&str> = outcome.logs.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(lines, ["a\u{fffd}b", "\u{fffd} 😀", "no end of line \u{fffd}"]);
    match outcome.result {
        Err(PluginError::Raised { raised }) => {
            assert_eq!((raised.class.as_str(), raised.message.as_str()), ("ValueError", "about \u{fffd}"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn http_works_where_it_is_granted_and_nowhere_else() {
    let source = "
from tenure import http, HttpError
def execute(state, config):
    first = http('POST', 'https://example.test/a', json={'x': 1}, headers={'A': 'b'})
    try:
        http('GET', 'https://refused.test/')
        refused = None
    except HttpError as error:
        refused = str(error)
    return [first['status'], first['json']['got'], first['json']['headers'], refused]
";
    let state = json!({});
    let host = Arc::new(Echo(AtomicUsize::new(0)));
    let call = PythonCall { host: host.clone(), ..PythonCall::new(source, &state, &Value::Null) };
    let outcome = PYTHON.call(call).await;
    let headers = json!({ "A": "b", "content-type": "application/json" });
    assert_eq!(outcome.result, Ok(json!([200, "{\"x\": 1}", headers, "the host is not granted"])));
    assert_eq!(host.0.load(Ordering::SeqCst), 2);
    // Waiting for the host is not processor time.
    assert!(outcome.usage.cpu < outcome.usage.duration, "{:?}", outcome.usage);

    match python(source, &state).await.result {
        Err(PluginError::Raised { raised }) => {
            assert_eq!(
                (raised.class.as_str(), raised.message.as_str()),
                ("HttpError", "this plugin was not granted http")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_leaves_nothing_behind_and_the_seed_decides() {
    let source = "
import random, json
seen = []
def execute(state, config):
    seen.append(1)
    json.leak = getattr(json, 'leak', 0) + 1
    return [len(seen), json.leak, random.random()]
";
    let state = json!({});
    let call = |seed| PythonCall { seed, ..PythonCall::new(source, &state, &Value::Null) };
    let (first, second, other) = (PYTHON.call(call(1)).await, PYTHON.call(call(1)).await, PYTHON.call(call(2)).await);
    assert_eq!(first.result.as_ref().unwrap().as_array().unwrap()[..2], [json!(1), json!(1)]);
    assert_eq!(first.result, second.result);
    assert_ne!(first.result, other.result);
    assert_eq!(first.usage.fuel, second.usage.fuel, "the same call uses the same fuel");
}

#[tokio::test]
async fn a_check_finds_what_cannot_work() {
    let source = "import os, json\nfrom socket import *\nfrom . import x\nimport datetime\n\ndef execute(state):\n    open('x')\n    return datetime.datetime.now()\n";
    let faults = PYTHON.check(source).await.unwrap();
    let found: Vec<_> = faults.iter().map(|fault| (fault.kind.as_str(), fault.line, fault.column)).collect();
    assert_eq!(
        found,
        [("import", 1, 1), ("import", 2, 1), ("import", 3, 1), ("execute", 6, 1), ("call", 7, 5), ("call", 8, 12)]
    );
    assert_eq!(PYTHON.check("def execute(state, config):\n    return 1\n").await.unwrap(), []);
    assert_eq!(PYTHON.check("import json\ndef execute(state, config, x=1): return 1\n").await.unwrap(), []);
    let faults = PYTHON.check("def execute(state, config):\n    return (1\n").await.unwrap();
    assert_eq!((faults[0].kind.as_str(), faults[0].line), ("syntax", 2));
    // Text in strings and comments is not code.
    assert_eq!(
        PYTHON.check("# import os\ndef execute(state, config):\n    return 'import os; open()'\n").await.unwrap(),
        []
    );
    for bomb in [
        "(".repeat(100_000),
        "-".repeat(1_000_000) + "1",
        "x = ".to_owned() + &"[".repeat(5000),
        "1+".repeat(200_000) + "1",
    ] {
        let result = PYTHON.check(&bomb).await;
        assert!(result.is_err() || !result.unwrap().is_empty(), "{}", &bomb[..10]);
    }
}

#[tokio::test]
async fn limits_can_be_lowered_and_not_raised() {
    let most = PythonLimits::default();
    let asked = PythonLimits { memory: usize::MAX, output: 10, ..PythonLimits::default() };
    let cut = asked.at_most(&most);
    assert_eq!((cut.memory, cut.output), (most.memory, 10));
}
