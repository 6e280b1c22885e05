//! Plugins that do not behave: each costs its own call, and the host is as it was.

use crate::support::{PATIENT, PYTHON, alone, cel, python, resident};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenure_sandbox::{HostFuture, HttpRequest, HttpResponse, Limit, PluginError, PluginHost, PythonCall, PythonLimits};

const ENDLESS: &str = "def execute(state, config):\n    while True: pass\n";

fn limits() -> PythonLimits {
    PythonLimits { cpu: Duration::from_millis(500), ..PythonLimits::default() }
}

async fn limited(source: &str) -> Result<Value, PluginError> {
    PYTHON.call(PythonCall { limits: limits(), ..PythonCall::new(source, &json!({}), &Value::Null) }).await.result
}

/// Without a limit on the processor that a busy machine could meet first.
async fn patient(source: &str) -> Result<Value, PluginError> {
    let limits =
        PythonLimits { cpu: Duration::from_secs(60), wall: Duration::from_secs(120), ..PythonLimits::default() };
    PATIENT.call(PythonCall { limits, ..PythonCall::new(source, &json!({}), &Value::Null) }).await.result
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_when_its_processor_time_does() {
    let start = Instant::now();
    let (outcome, ()) = tokio::join!(python(ENDLESS, &Value::Null), async {
        while start.elapsed() < Duration::from_secs(4) {
            let call = Instant::now();
            assert_eq!(cel("1 + 1 == 2", &json!({})).await, Ok(json!(true)));
            assert!(call.elapsed() < Duration::from_millis(500), "{:?}", call.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert_eq!(outcome.result, Err(PluginError::Limit(Limit::Cpu)));
    let cpu = outcome.usage.cpu;
    assert!(cpu > Duration::from_millis(4500) && cpu < Duration::from_millis(5500), "{cpu:?}");
}

#[tokio::test]
async fn what_only_c_code_does_is_stopped_too() {
    for source in [
        "def execute(state, config):\n    return 10 ** (10 ** 9)\n",
        "import re\ndef execute(state, config):\n    return re.match(r'(a+)+$', 'a' * 40 + 'b')\n",
        "def execute(state, config):\n    return sum(range(10 ** 12))\n",
        "import itertools\ndef execute(state, config):\n    return max(itertools.count())\n",
        "import math\ndef execute(state, config):\n    return math.factorial(10 ** 7)\n",
        "x = 0\nwhile True:\n    try:\n        while True: x += 1\n    except BaseException: pass\n",
    ] {
        let start = Instant::now();
        let result = limited(source).await;
        assert!(matches!(result, Err(PluginError::Limit(Limit::Cpu | Limit::Memory))), "{source}: {result:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{source}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn memory_bombs_hit_the_wall() {
    let source = |expression: &str| format!("def execute(state, config):\n    x = {expression}\n    return len(x)\n");
    for expression in [
        "'a' * (1 << 30)",
        "[0] * (1 << 28)",
        "bytearray(1 << 30)",
        "list(range(1 << 28))",
        "'{:2000000000}'.format('')",
    ] {
        let outcome = python(&source(expression), &Value::Null).await;
        assert_eq!(outcome.result, Err(PluginError::Limit(Limit::Memory)), "{expression}");
        assert!(outcome.usage.peak_memory <= PythonLimits::default().memory);
    }
    let grow = "def execute(state, config):\n    x = []\n    while True: x.append('a' * 100000 + str(len(x)))\n";
    assert_eq!(python(grow, &Value::Null).await.result, Err(PluginError::Limit(Limit::Memory)));
}

#[tokio::test]
async fn deep_recursion_ends() {
    let result = patient("def f(n): return f(n + 1)\ndef execute(state, config): return f(0)\n").await;
    assert!(matches!(&result, Err(PluginError::Raised { raised }) if raised.class == "RecursionError"), "{result:?}");
    for source in [
        "import dataclasses\ndef f(n): return f(n + 1)\ndef execute(state, config):\n    dataclasses.sys.setrecursionlimit(10 ** 9)\n    return f(0)\n",
        "def execute(state, config):\n    x = []\n    for _ in range(100000): x = [x]\n    return x\n",
        "import json\ndef execute(state, config):\n    return json.loads('[' * 100000)\n",
        "def execute(state, config):\n    x = ()\n    for _ in range(500000): x = (x,)\n    del x\n    return repr(config)\n",
        "import re\ndef execute(state, config):\n    return re.compile('(' * 5000 + ')' * 5000)\n",
        "def execute(state, config):\n    return eval('(' * 5000 + ')' * 5000)\n",
        "class A:\n    def __getattr__(self, n): return getattr(self, n)\ndef execute(state, config): return A().x\n",
    ] {
        match patient(source).await {
            Err(PluginError::Raised { .. } | PluginError::Limit(_) | PluginError::Crash(_)) => {}
            // CPython frees deep tuples without recursion: nothing to stop.
            Ok(value) => assert_eq!(value, json!("None"), "{source}"),
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_is_cut_and_a_flood_stopped() {
    let lines = "import tenure\ndef execute(state, config):\n    for i in range(1000): tenure.log('x' * 100)\n    return 'done'\n";
    let outcome = python(lines, &Value::Null).await;
    assert_eq!(outcome.result, Ok(json!("done")));
    assert!(outcome.logs_truncated);
    let size: usize = outcome.logs.iter().map(|line| line.message.len()).sum();
    assert_eq!(size, PythonLimits::default().log);

    let one = "import tenure\ndef execute(state, config):\n    tenure.log('ü' * 1000000)\n";
    let outcome = python(one, &Value::Null).await;
    assert!(outcome.logs_truncated && outcome.logs[0].message.len() <= PythonLimits::default().log);

    let empty = "import tenure\ndef execute(state, config):\n    while True: tenure.log('')\n";
    let outcome = python(empty, &Value::Null).await;
    assert_eq!(outcome.result, Err(PluginError::Limit(Limit::HostCalls)));
    assert!(outcome.logs.len() <= 10_000);

    let printing = "def execute(state, config):\n    while True: print('x' * 1000)\n";
    let outcome = python(printing, &Value::Null).await;
    assert!(matches!(outcome.result, Err(PluginError::Limit(Limit::HostCalls | Limit::Cpu))), "{:?}", outcome.result);
}

#[tokio::test]
async fn results_are_bounded() {
    let source = "def execute(state, config):\n    return 'x' * (2 << 20)\n";
    assert_eq!(python(source, &Value::Null).await.result, Err(PluginError::Limit(Limit::Output)));
    let source = "def execute(state, config):\n    return 'x' * (1 << 19)\n";
    assert_eq!(python(source, &Value::Null).await.result.map(|value| value.as_str().unwrap().len()), Ok(1 << 19));
}

/// A host that never answers, and tells when it is let go.
struct Sleeper(tokio::sync::mpsc::UnboundedSender<&'static str>);

impl PluginHost for Sleeper {
    fn http(&self, _: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        struct Gone(tokio::sync::mpsc::UnboundedSender<&'static str>);
        impl Drop for Gone {
            fn drop(&mut self) {
                let _ = self.0.send("gone");
            }
        }
        let _ = self.0.send("asked");
        let gone = Gone(self.0.clone());
        Box::pin(async move {
            let _gone = gone;
            std::future::pending().await
        })
    }
}

const WAITING: &str = "import tenure\ndef execute(state, config):\n    tenure.http('GET', 'https://example.test/')\n";

#[tokio::test]
async fn a_guest_that_waits_is_stopped_by_the_clock() {
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let limits = PythonLimits { wall: Duration::from_millis(300), ..PythonLimits::default() };
    let start = Instant::now();
    let (state, host) = (json!({}), Arc::new(Sleeper(sender)));
    let outcome = PYTHON.call(PythonCall { limits, host, ..PythonCall::new(WAITING, &state, &Value::Null) }).await;
    assert_eq!(outcome.result, Err(PluginError::Limit(Limit::WallClock)));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(events.recv().await, Some("asked"));
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), events.recv()).await, Ok(Some("gone")));
}

#[tokio::test]
async fn cancelling_stops_the_guest_and_its_call_within_a_second() {
    if !alone("python_limits::cancelling_stops_the_guest_and_its_call_within_a_second") {
        return;
    }
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let (state, host) = (json!({}), Arc::new(Sleeper(sender)));
    let call = PYTHON.call(PythonCall { host, ..PythonCall::new(WAITING, &state, &Value::Null) });
    assert!(tokio::time::timeout(Duration::from_millis(500), call).await.is_err());
    assert_eq!(events.recv().await, Some("asked"));
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), events.recv()).await, Ok(Some("gone")));

    // Four endless loops are dropped; if they went on, this one would not find a free processor.
    for _ in 0..4 {
        let call = python(ENDLESS, &Value::Null);
        assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = processor_time();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = processor_time() - before;
    assert!(spent < Duration::from_millis(500), "{spent:?} of processor time in a second: the guests run on");
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

#[tokio::test]
async fn a_thousand_calls_leave_memory_as_it_was() {
    if !alone("python_limits::a_thousand_calls_leave_memory_as_it_was") {
        return;
    }
    let source = "def execute(state, config):\n    return sum(range(state['n']))\n";
    let call = async |n: usize| {
        let outcome = python(source, &json!({ "n": n })).await;
        assert_eq!(outcome.result, Ok(json!(n * n.saturating_sub(1) / 2)));
    };
    for n in 0..100 {
        call(n).await;
    }
    let before = resident();
    for n in 0..1000 {
        call(n).await;
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more after 1,000 calls");
}

/// One tenant's long line of calls does not stand between another and its one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_line_of_one_lane_keeps_no_other_waiting() {
    let python = tenure_sandbox::Python::new(
        &crate::support::images(),
        tenure_sandbox::PythonConfig { concurrent: 2, ..tenure_sandbox::PythonConfig::default() },
    )
    .unwrap();
    let busy = "def execute(state, config):\n    n = 0\n    for i in range(300000): n += i\n    return n\n";
    let served = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let line: Vec<_> = (0..60)
        .map(|_| {
            let (python, served) = (python.clone(), Arc::clone(&served));
            tokio::spawn(async move {
                let call = PythonCall { lane: 7, ..PythonCall::new(busy, &Value::Null, &Value::Null) };
                assert!(python.call(call).await.result.is_ok());
                served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            })
        })
        .collect();
    while served.load(std::sync::atomic::Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = served.load(std::sync::atomic::Ordering::SeqCst);
    let call = PythonCall { lane: 8, ..PythonCall::new(busy, &Value::Null, &Value::Null) };
    assert!(python.call(call).await.result.is_ok());
    let overtook = served.load(std::sync::atomic::Ordering::SeqCst) - before;
    assert!(overtook < 20, "{overtook} calls of the other lane went first");
    for call in line {
        call.await.unwrap();
    }
}
