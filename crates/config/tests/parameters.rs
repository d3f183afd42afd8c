//! CONFIG GET and CONFIG SET.

mod common;

use common::{conf, get};
use config::{Config, SetError, directives};

fn names(config: &Config, patterns: &[&str]) -> Vec<String> {
    let patterns: Vec<_> = patterns.iter().map(|p| p.as_bytes()).collect();
    config.get(&patterns).into_iter().map(|(name, _)| name).collect()
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) -> Result<Vec<&'static str>, String> {
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
    config.set(&pairs).map_err(|e| e.to_string())
}

#[test]
fn get_answers_under_every_name_in_order_and_once() {
    let config = Config::default();
    assert_eq!(
        names(&config, &["slave-p*", "replica-priority", "*-priority"]),
        ["replica-priority", "slave-priority"]
    );
    assert_eq!(names(&config, &["SLAVEOF"]), ["SLAVEOF"]);
    assert_eq!(names(&config, &["?ort", "port", "[p]ort"]), ["port"]);
    assert_eq!(names(&config, &["slowlog*"]), ["slowlog-log-slower-than", "slowlog-max-len"]);
    assert_eq!(names(&config, &["lua-t*", "nothing"]), ["lua-time-limit"]);
    assert_eq!(
        names(&config, &["user", "rename-command", "include", "loadmodule", "list-max-ziplist-entries"]),
        [""; 0]
    );
    let all = names(&config, &["*"]);
    assert!(all.is_sorted() && all.len() > 230, "{}", all.len());
    assert!(all.contains(&"primaryauth".into()) && all.contains(&"hash-max-ziplist-value".into()));
}

#[test]
fn hidden_parameters_answer_to_their_exact_name_only() {
    let config = Config::default();
    assert_eq!(
        names(&config, &["rdb-key-save*", "*"]).iter().filter(|n| n.starts_with("rdb-key")).count(),
        0
    );
    assert_eq!(names(&config, &["RDB-key-save-delay"]), ["RDB-key-save-delay"]);
}

#[test]
fn values_are_printed_as_clients_expect() {
    let config = conf("maxmemory 1gb\nunixsocketperm 0700\nsave 3600 1\nsave 300 100\nbind 127.0.0.1 ::1\n");
    for (name, value) in [
        ("maxmemory", "1073741824"),
        ("unixsocketperm", "700"),
        ("save", "3600 1 300 100"),
        ("bind", "127.0.0.1 ::1"),
        ("rdbcompression", "yes"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
        ("latency-tracking-info-percentiles", "50 99 99.9"),
        ("slaveof", ""),
        ("shutdown-on-sigterm", "default"),
    ] {
        assert_eq!(get(&config, name), value, "{name}");
    }
}

#[test]
fn set_changes_all_or_nothing() {
    let mut config = Config::default();
    let before = config.settings().clone();
    for (pairs, error) in [
        (&[("foo", "1")][..], "Unknown option or number of arguments for CONFIG SET - 'foo'"),
        (&[("maxmemory", "1"), ("foo", "1")], "Unknown option or number of arguments for CONFIG SET - 'foo'"),
        (&[("hz", "50"), ("user", "x")], "Unknown option or number of arguments for CONFIG SET - 'user'"),
        (
            &[("hz", "50"), ("databases", "3")],
            "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config",
        ),
        (
            &[("hz", "50"), ("DIR", "/")],
            "CONFIG SET failed (possibly related to argument 'DIR') - can't set protected config",
        ),
        (
            &[("hz", "1"), ("HZ", "2")],
            "CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter",
        ),
        (
            &[("slave-priority", "1"), ("replica-priority", "2")],
            "CONFIG SET failed (possibly related to argument 'replica-priority') - duplicate parameter",
        ),
        (
            &[("hz", "50"), ("port", "70000")],
            "CONFIG SET failed (possibly related to argument 'port') - argument must be between 0 and 65535 inclusive",
        ),
        (
            &[("hz", "50"), ("rdbcompression", "x")],
            "CONFIG SET failed (possibly related to argument 'rdbcompression') - argument must be 'yes' or 'no'",
        ),
    ] {
        assert_eq!(set(&mut config, pairs), Err(error.into()), "{pairs:?}");
        assert_eq!(*config.settings(), before, "{pairs:?}");
    }
    let error = config.set(&[(b"requirepass", b"\xff")]).unwrap_err();
    assert_eq!(error, SetError::refused("requirepass", "argument must be valid UTF-8"));
}

#[test]
fn set_says_what_changed_by_its_current_name() {
    let mut config = Config::default();
    let changed =
        set(&mut config, &[("slave-read-only", "no"), ("timeout", "0"), ("primaryauth", "p"), ("hz", "9")]);
    assert_eq!(changed, Ok(vec!["replica-read-only", "masterauth", "hz"]));
    let s = config.settings();
    assert_eq!((s.replica_read_only, s.masterauth.as_deref(), s.hz), (false, Some("p"), 9));
    assert_eq!(set(&mut config, &[("hz", "9")]), Ok(vec![]));
}

#[test]
fn save_points_are_replaced_and_output_limits_merged() {
    let mut config = Config::default();
    set(&mut config, &[("save", "60 1"), ("client-output-buffer-limit", "replica 1mb 0 0")]).unwrap();
    assert_eq!(get(&config, "save"), "60 1");
    set(&mut config, &[("save", "")]).unwrap();
    assert_eq!(get(&config, "save"), "");
    assert_eq!(
        get(&config, "client-output-buffer-limit"),
        "normal 0 0 0 slave 1048576 0 0 pubsub 33554432 8388608 60"
    );
}

#[test]
fn protected_parameters_follow_enable_protected_configs() {
    for (permission, remote, local) in [("no", false, false), ("local", false, true), ("yes", true, true)] {
        let mut config = conf(&format!("enable-protected-configs {permission}\n"));
        assert_eq!(config.set(&[(b"dir", b"/a")]).is_ok(), remote, "{permission}");
        assert_eq!(config.set_local(&[(b"dir", b"/b")]).is_ok(), local, "{permission}");
    }
    assert!(
        Config::is_protected("dbfilename") && Config::is_protected("DIR") && !Config::is_protected("port")
    );
}

#[test]
fn the_server_may_force_what_clients_may_not() {
    let mut config = Config::default();
    assert_eq!(config.force("replicaof", "10.0.0.1 6379"), Ok(true));
    assert_eq!(config.force("slaveof", "10.0.0.1 6379"), Ok(false));
    assert_eq!(config.settings().replicaof, Some(("10.0.0.1".into(), 6379)));
    assert_eq!(config.force("replicaof", "no one"), Ok(true));
    assert!(
        config.settings().replicaof.is_none() && config.is_default("slaveof") && config.is_default("port")
    );
    assert!(
        config.force("user", "x").is_err() && config.force("port", "x").is_err() && !config.is_default("x")
    );
}

/// What CONFIG GET prints, CONFIG SET takes, whatever the directive.
#[test]
fn every_parameter_takes_back_what_it_prints() {
    let texts = [
        "yes",
        "no",
        "0",
        "1",
        "7",
        "-1",
        "100",
        "1024",
        "65535",
        "1048576",
        "9223372036854775807",
        "10%",
        "700",
        "x",
        "a b",
        "\"",
        "",
        "127.0.0.1",
        "::1",
        "{title}",
        "1 2 3",
        "50.25 99",
        "KEA",
        "host 1",
        "60 1",
        "save now",
        "normal 1 2 3",
        "always",
        "debug",
        "2m",
        "1gb",
    ];
    for directive in directives().iter().filter(|d| d.is_parameter()) {
        let mut taken = 0;
        for text in texts {
            let mut config = Config::default();
            if config.force(directive.name, text).is_err() {
                continue;
            }
            taken += 1;
            let printed = get(&config, directive.name);
            let mut other = Config::default();
            other
                .force(directive.name, &printed)
                .unwrap_or_else(|e| panic!("{} {text}: {e}", directive.name));
            assert_eq!(get(&other, directive.name), printed, "{} {text}", directive.name);
            assert_eq!(other.settings(), config.settings(), "{} {text}", directive.name);
        }
        // Words of their own that the list above does not know leave a directive at its default.
        let default = Config::default().force(directive.name, directive.default);
        assert!(taken > 0 || default.is_ok(), "{}", directive.name);
    }
}
