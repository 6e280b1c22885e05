use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Server, data_dir, run, tenure};

#[test]
fn a_log_is_verified_exported_and_verified_again_without_a_database() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    let _ = server.register("ada");
    // Sealed at most a second after the commit.
    std::thread::sleep(std::time::Duration::from_secs(1));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0), "{}", server.errors());

    let (code, out, errors) = run(tenure(data.path()).args(["audit", "verify", "--json"]));
    assert_eq!(code, 0, "{out}{errors}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let logs = document["logs"].as_array().unwrap();
    let log = logs.iter().find(|log| log["organization"] != "system").unwrap();
    let (slug, found) = (log["organization"].as_str().unwrap(), &log["verification"]);
    assert!(document["ok"] == true && found["size"].as_u64().unwrap() > 1, "{document:#}");
    assert_eq!(found["compared_with_outside"], true);

    let checkpoint = data.path().join("kept.txt");
    std::fs::write(&checkpoint, found["checkpoint"]["note"].as_str().unwrap()).unwrap();
    let (code, out, errors) = run(tenure(data.path()).args(["audit", "verify", "--checkpoint"]).arg(&checkpoint));
    assert!(code == 0 && out.lines().count() == 1 && out.starts_with(slug), "{out}{errors}");

    let file = data.path().join("log.jsonl");
    let (code, out, errors) = run(tenure(data.path()).args(["audit", "export", "--tenant", slug]).arg(&file));
    assert_eq!(code, 0, "{out}{errors}");
    let nowhere = data_dir();
    let offline = |file: &std::path::Path| {
        let key = found["vkey"].as_str().unwrap();
        let mut command = tenure(nowhere.path());
        run(command.args(["audit", "verify", "--key", key, "--export"]).arg(file).arg("--checkpoint").arg(&checkpoint))
    };
    let (code, out, errors) = offline(&file);
    assert!(code == 0 && out.contains("events verified"), "{out}{errors}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("ada@example.com"), "an export holds no personal value");
    std::fs::write(&file, text.replacen("organization.created", "organization.deleted", 1)).unwrap();
    let (code, _, errors) = offline(&file);
    assert!(code == 1 && errors.contains("was edited"), "{errors}");

    let (code, _, errors) = run(tenure(data.path()).args(["audit", "verify", "--tenant", "nobody"]));
    assert!(code == 2 && errors.contains("there is no organisation nobody"), "{errors}");
}
