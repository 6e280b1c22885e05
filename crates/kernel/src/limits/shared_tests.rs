use super::*;

#[test]
fn addresses_are_told_apart_and_hide_their_passwords() {
    let parse = |text: &str| RedisUrl::parse(text).unwrap();
    assert_eq!(parse("redis://127.0.0.1:6379/2").nodes, ["redis://127.0.0.1:6379/2"]);
    let sentinel = parse("redis+sentinel://:hush@a:26379,b:26379/mymaster");
    assert_eq!(sentinel.nodes, ["redis://:hush@a:26379", "redis://:hush@b:26379"]);
    assert_eq!(sentinel.kind, Kind::Sentinel { name: "mymaster".to_owned() });
    assert_eq!(sentinel.to_string(), "redis+sentinel://…@a:26379,b:26379/mymaster");
    let cluster = parse("redis+cluster://a:7000,b:7001");
    assert_eq!((cluster.kind, cluster.nodes.len()), (Kind::Cluster, 2));
    for wrong in [
        "",
        "127.0.0.1:6379",
        "http://a:1",
        "redis://",
        "redis://a:1,b:2",
        "redis+sentinel://a:1",
        "redis+what://a:1",
        "redis://a:port",
        "redis+cluster://a:1/0",
    ] {
        let error = RedisUrl::parse(wrong).unwrap_err();
        assert!(error.starts_with("must look like"), "{wrong}: {error}");
    }
}

/// A Redis of this test's own.
struct Server {
    child: std::process::Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = std::process::Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(directory.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("redis-server is installed (`cargo xtask setup`)");
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, port, _directory: directory }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whatever the sequence of requests, the script counts as this process does.
#[test]
fn the_script_counts_as_this_process_does() {
    use proptest::prelude::*;

    use super::super::local::Local;
    use super::super::{Rate, Subject};

    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let shared = Shared::new(RedisUrl::parse(&format!("redis://127.0.0.1:{}/0", server.port)).unwrap());
    let connection = runtime.block_on(shared.connect()).unwrap();
    let case = std::cell::Cell::new(0_u16);
    // Over hours, so that nothing runs out by the server's own clock while the test's stands still.
    let rates = prop::collection::vec((1..40_u32, 3_600..90_000_u32), 4);
    let requests = prop::collection::vec((0..5_000_000_000_u64, prop::collection::vec(0..4_usize, 1..4)), 1..60);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let outcome = runner.run(&(rates, requests), |(rates, requests)| {
        case.set(case.get() + 1);
        let [high, low] = case.get().to_be_bytes();
        let wanted: Vec<Wanted> = (0..4_u8)
            .zip(&rates)
            .map(|(subject, (requests, seconds))| Wanted {
                subject: Subject::address([10, high, low, subject].into()),
                rate: Rate { requests: *requests, seconds: *seconds },
            })
            .collect();
        let (local, mut now) = (Local::new(), 1_u64);
        for (step, subjects) in requests {
            now += step;
            let asked: Vec<Wanted> = subjects.iter().map(|subject| wanted[*subject]).collect();
            let mut here = Vec::new();
            for wanted in &asked {
                here.push(local.count_at(wanted, Duration::from_micros(now)));
                if here.last().is_some_and(|count| count.wait.is_some()) {
                    break;
                }
            }
            let there = runtime.block_on(shared.ask(connection.clone(), &asked, Some(now))).unwrap();
            prop_assert_eq!(here, there);
        }
        Ok(())
    });
    outcome.unwrap();
}
