//! Two servers on one database, one of which is killed in the middle of what it does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{PASSWORD, Server, data_dir, run, tenure};
use crate::own_database::{ROLES, database, migrate, serve, sql};

/// A thousand requests at once against a quota of a hundred: a hundred executions, whoever dies meanwhile.
#[test]
fn a_thousand_requests_to_two_servers_start_a_hundred_executions() {
    let _roles = ROLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, owner) = (data_dir(), database());
    let (app, system, _) = migrate(data.path(), &owner);
    let plenty = |mut command: std::process::Command| {
        for limit in ["ADDRESS", "USER", "TENANT"] {
            command.env(format!("TENURE_LIMITS_{limit}"), "1000000/60s");
        }
        // Tokens of one are the other's.
        command.env("TENURE_PUBLIC_URL", "http://tenure.example");
        command
    };
    let mut first = Server::start_with(&mut plenty(serve(data.path(), &app, &system)));
    let second = Server::start_with(&mut plenty(serve(data.path(), &app, &system)));
    let token = first.register("ada");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let workflow = json!({
        "name": "waits", "nodes": {"only": {"type": "wait", "for": "1h"}},
        "edges": [{"from": "start", "to": "only"}, {"from": "only", "to": "end"}],
    });
    let saved = first.ask("POST", "/api/v1/workflows", &headers, &workflow.to_string());
    assert_eq!(saved.status, 201, "{}", saved.text());
    let path = format!("/api/v1/workflows/{}/executions", saved.json()["id"].as_str().unwrap());
    let mut quota = tenure(data.path());
    quota.env("DATABASE_URL", &app).env("TENURE_SYSTEM_DATABASE_URL", &system);
    let (code, _, errors) = run(quota.args(["organization", "quota", "ada", "executions_per_month", "--max", "100"]));
    assert_eq!(code, 0, "{errors}");

    let (asked, admitted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let (victim, pid) = (first.address.clone(), first.pid());
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                for attempt in 0..20 {
                    // In the middle, and while it works: no answer of its last requests ever comes.
                    if asked.fetch_add(1, Ordering::SeqCst) == 60 {
                        nix::sys::signal::kill(
                            nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
                            Signal::SIGKILL,
                        )
                        .unwrap();
                    }
                    let address = if attempt % 2 == 0 { &victim } else { &second.address };
                    match Server::try_post(address, &path, &bearer, "{\"input\": {}}") {
                        Some(202) => drop(admitted.fetch_add(1, Ordering::SeqCst)),
                        Some(403) => drop(refused.fetch_add(1, Ordering::SeqCst)),
                        Some(other) => panic!("{other}"),
                        None => {}
                    }
                }
            });
        }
    });
    assert_eq!(first.wait(), None, "a signal ended it");
    let stored: usize = sql(&owner, "select count(*) from executions").parse().unwrap();
    let counted: usize =
        sql(&owner, "select used from quota_usage where quota = 'executions_per_month'").parse().unwrap();
    let (admitted, refused) = (admitted.into_inner(), refused.into_inner());
    assert_eq!((stored, counted), (100, 100), "{admitted} were told so, {refused} were refused");
    assert!(admitted <= 100 && refused > 300, "{admitted} {refused}");
}

/// What listens for news of other servers is cut off again and again for three seconds; how often.
fn cut_news(owner: &str) -> usize {
    let cut = "
        create temporary table cut (n int);
        do $$ begin
            for moment in 1..100 loop
                perform pg_stat_clear_snapshot();
                insert into cut select 1 from pg_stat_activity
                    where datname = current_database() and query ilike 'listen %' and pg_terminate_backend(pid);
                perform pg_sleep(0.03);
            end loop;
        end $$;
        select count(*) from cut";
    sql(owner, cut).parse().unwrap()
}

/// A login that ends on one server is over on the other within a second, and so it is while no news passes between them.
#[test]
fn a_logout_on_one_server_is_heard_by_the_other_also_with_the_line_cut() {
    let _roles = ROLES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (data, owner) = (data_dir(), database());
    let (app, system, _) = migrate(data.path(), &owner);
    let shared = |mut command: std::process::Command| {
        // Tokens of one are the other's; and a poll every few milliseconds is let in.
        command.env("TENURE_PUBLIC_URL", "http://tenure.example");
        for limit in ["ADDRESS", "USER", "TENANT"] {
            command.env(format!("TENURE_LIMITS_{limit}"), "1000000/60s");
        }
        command
    };
    let first = Server::start_with(&mut shared(serve(data.path(), &app, &system)));
    let second = Server::start_with(&mut shared(serve(data.path(), &app, &system)));
    let stays = first.register("ada");
    let log_in = || {
        let given = first.post("/api/v1/auth/login", &json!({"username": "ada", "password": PASSWORD}));
        assert_eq!(given.status, 200, "{}", given.text());
        let token = given.json()["access_token"].as_str().unwrap().to_owned();
        // Remembered by the other from here on.
        assert_eq!((second.me(&token).status, second.me(&token).status), (200, 200));
        token
    };
    let end = |token: &str| {
        let bearer = format!("Bearer {token}");
        assert_eq!(first.ask("POST", "/api/v1/auth/logout", &[("authorization", &*bearer)], "").status, 204);
        let ended = Instant::now();
        while second.me(token).status != 401 {
            assert!(ended.elapsed() < Duration::from_secs(1), "still let in");
        }
    };
    end(&log_in());
    std::thread::scope(|scope| {
        let cutting = scope.spawn(|| cut_news(&owner));
        let early = log_in();
        std::thread::sleep(Duration::from_millis(200));
        // Believed while it may still be news that is only late; then everybody is looked up.
        end(&early);
        std::thread::sleep(Duration::from_millis(1000));
        let late = log_in();
        end(&late);
        assert_eq!(second.me(&stays).status, 200, "who did not log out is let in all the while");
        let cuts = cutting.join().unwrap();
        assert!(cuts > 4, "the line was cut {cuts} times");
    });
    second.eventually("news pass again", |_| {
        let beats =
            "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'";
        sql(&owner, beats) == "2"
    });
    end(&log_in());
}
