use std::collections::HashMap;
use std::ffi::OsString;

use super::*;

fn read(flags: &[(&'static str, &str)], env: &[(&str, &str)], file: Option<&str>) -> Result<Loaded, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let mut given = Flags::default();
    for (key, value) in flags {
        given.set(key, Some(*value));
    }
    if let Some(text) = file {
        let path = dir.path().join("tenure.toml");
        std::fs::write(&path, text).unwrap();
        given.config = Some(path);
    }
    let env: HashMap<String, OsString> = env.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
    let prefix = format!("{}/", dir.path().display());
    Loaded::read_from(&given, &|name| env.get(name).cloned())
        .map_err(|error| error.0.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect())
}

fn origin(loaded: &Loaded, key: &str) -> String {
    let shown = loaded.shown.iter().find(|shown| shown.key == key).unwrap();
    shown.origin.to_string().rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let file = "environment = 'development'\n[server]\nlisten = '127.0.0.1:3'\n";
    let (flag, env) = (("server.listen", "127.0.0.1:1"), ("TENURE_LISTEN", "127.0.0.1:2"));
    let cases: [(&[_], &[_], _, _, _); 4] = [
        (&[flag], &[env], Some(file), "127.0.0.1:1", "--listen"),
        (&[], &[env], Some(file), "127.0.0.1:2", "TENURE_LISTEN"),
        (&[], &[], Some(file), "127.0.0.1:3", "tenure.toml:3"),
        (&[], &[], None, "127.0.0.1:8080", "default"),
    ];
    for (flags, env, file, value, from) in cases {
        let loaded = read(flags, env, file).unwrap();
        assert_eq!(loaded.config.server.listen.to_string(), value);
        assert_eq!(origin(&loaded, "server.listen"), from);
    }
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    let file = "[server]\nlisten = 'here'\n\n[limits]\nuser = 100\n[sever]\nlisten = 1\n[policy]\nanything = 1\n";
    let faults = read(&[], &[("TENURE_PLAN_DEFAULT", "gold")], Some(file)).unwrap_err();
    assert_eq!(
        faults,
        [
            "tenure.toml:2:1: server.listen: \"here\" is no address with a port; write it like 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080",
            "TENURE_PLAN_DEFAULT: \"gold\" is none of free, pro, enterprise",
            "tenure.toml:5:1: limits.user: \"100\" is no rate; write requests and seconds like 600/60s",
            "tenure.toml:7:1: there is no setting sever.listen; `tenure config show` lists all of them",
        ]
    );
    let broken = read(&[], &[], Some("a = 1\nb = = 2\n")).unwrap_err();
    assert!(broken[0].starts_with("tenure.toml:2:5: "), "{broken:?}");
}

#[test]
fn production_closes_what_development_leaves_open() {
    let key = ("TENURE_MASTER_KEY", "00".repeat(32));
    let production = read(&[("environment", "production")], &[(key.0, &key.1)], None).unwrap().config;
    assert_eq!(production.registration, Registration::Closed);
    assert_eq!(production.default_plan, Plan::Free);
    assert!(production.require_signed_plugins);
    let development = read(&[], &[], None).unwrap().config;
    assert_eq!(development.registration, Registration::Open);
    assert_eq!(development.default_plan, Plan::Enterprise);
    assert!(!development.require_signed_plugins);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let refused = |flags: &[(&'static str, &str)], env: &[(&str, &str)]| read(flags, env, None).unwrap_err().join("\n");
    assert!(refused(&[("environment", "production")], &[]).contains("TENURE_MASTER_KEY"));
    let key = ("TENURE_MASTER_KEY", "x");
    assert!(
        refused(&[("environment", "production")], &[("TENURE_AUTH", "off"), key])
            .starts_with("TENURE_AUTH: auth: off is for development")
    );
    assert!(refused(&[("server.listen", "0.0.0.0:80")], &[("TENURE_AUTH", "off")]).contains("listen on 127.0.0.1"));
    assert!(
        refused(&[], &[("DATABASE_URL", "postgresql://a@b/c")])
            .contains("database.system_url (TENURE_SYSTEM_DATABASE_URL)")
    );
    assert!(refused(&[], &[("TENURE_PUBLIC_URL", "https://a.example/x?y")]).contains("https://tenure.example.com"));
    assert!(read(&[("server.listen", "[::1]:80")], &[("TENURE_AUTH", "off")], None).is_ok());
}

#[test]
fn how_long_logins_last_is_told_in_words_and_within_bounds() {
    let refused = |env: &[(&str, &str)]| read(&[], env, None).unwrap_err().join("\n");
    let loaded =
        read(&[], &[("TENURE_SESSIONS_ACCESS_TOKEN", "90s"), ("TENURE_SESSIONS_UNUSED", "12h")], None).unwrap();
    let sessions = loaded.config.sessions;
    assert_eq!((sessions.access_token.as_secs(), sessions.unused.as_secs()), (90, 43_200));
    let shown = serde_json::to_string(&loaded.shown).unwrap();
    assert!(["\"90s\"", "\"12h\"", "\"90d\""].iter().all(|text| shown.contains(text)), "{shown}");
    for wrong in ["", "0m", "-1h", "1.5h", "15", "m", "15 m", "99999999999999999999d", "15w"] {
        let fault = refused(&[("TENURE_SESSIONS_ACCESS_TOKEN", wrong)]);
        assert!(fault.contains("write one like 90s, 15m, 12h or 30d"), "{wrong}: {fault}");
    }
    assert!(refused(&[("TENURE_SESSIONS_ACCESS_TOKEN", "25h")]).contains("more than 24h"));
    assert!(refused(&[("TENURE_SESSIONS_LONGEST", "1d")]).contains("sessions.unused"));
}

#[test]
fn executions_are_kept_for_whole_days() {
    let keep = |value: &str| read(&[], &[("TENURE_EXECUTIONS_KEEP", value)], None);
    let kept = keep("90d").unwrap().config.keep_executions.map(|keep| keep.as_secs());
    assert_eq!(kept, Some(90 * 24 * 60 * 60));
    assert_eq!(keep("48h").unwrap().config.keep_executions.map(|keep| keep.as_secs()), Some(2 * 24 * 60 * 60));
    assert_eq!(read(&[], &[], None).unwrap().config.keep_executions, None);
    for wrong in ["12h", "36501d", "90", "0d"] {
        assert!(keep(wrong).unwrap_err().join("\n").contains("TENURE_EXECUTIONS_KEEP"), "{wrong}");
    }
}

#[test]
fn mail_needs_to_be_from_somebody_and_to_lead_back() {
    let refused = |env: &[(&str, &str)]| read(&[], env, None).unwrap_err().join("\n");
    let smtp = ("TENURE_MAIL_SMTP_URL", "smtps://tenure:s3cr3t@mail.example.com");
    let from = ("TENURE_MAIL_FROM", "Tenure <tenure@example.com>");
    assert!(refused(&[smtp]).contains("mail.from (TENURE_MAIL_FROM)"));
    assert!(read(&[], &[smtp, from], None).is_ok());
    let production = [("TENURE_ENVIRONMENT", "production"), ("TENURE_MASTER_KEY", "x"), smtp, from];
    assert!(refused(&production).contains("server.public_url"));
    let told = [production.as_slice(), &[("TENURE_PUBLIC_URL", "https://tenure.example.com")]].concat();
    let loaded = read(&[], &told, None).unwrap();
    assert!(!format!("{:?} {}", loaded, serde_json::to_string(&loaded.shown).unwrap()).contains("s3cr3t"));
    let clear = ("TENURE_MAIL_SMTP_URL", "smtp://tenure:s3cr3t@mail.example.com");
    let fault = refused(&[clear, from]);
    assert!(fault.contains("in the clear") && !fault.contains("s3cr3t"), "{fault}");
    assert!(refused(&[("TENURE_MAIL_FROM", "nobody")]).starts_with("TENURE_MAIL_FROM: must look like"));
    assert!(refused(&[("TENURE_MAIL_CA_FILE", "/dev/null")]).contains("holds no certificate"));
    assert!(refused(&[("TENURE_MAIL_CA_FILE", "/nowhere/ca.pem")]).contains("/nowhere/ca.pem"));
    assert!(refused(&[("TENURE_REGISTRATION", "friends")]).contains("open, invite, closed"));
}

#[test]
fn secrets_are_not_shown() {
    let secret = "s3cr3t-s3cr3t";
    let url = format!("postgresql://app:{secret}@db:5432/tenure?password={secret}");
    let env = [("TENURE_MASTER_KEY", secret), ("DATABASE_URL", &url), ("TENURE_SYSTEM_DATABASE_URL", &url)];
    let loaded = read(&[], &env, None).unwrap();
    let shown = format!("{:?} {}", loaded, serde_json::to_string(&loaded.shown).unwrap());
    assert!(!shown.contains(secret), "{shown}");
    assert!(shown.contains("postgresql://app:…@db:5432/tenure"));
}

#[test]
fn the_policy_table_is_kept_as_it_is() {
    let file = "[[policy.deny]]\nnode_type = 'http'\nhosts = ['a', 'b']\n";
    let policy = read(&[], &[], Some(file)).unwrap().config.policy;
    assert_eq!(policy, serde_json::json!({"deny": [{"node_type": "http", "hosts": ["a", "b"]}]}));
}
