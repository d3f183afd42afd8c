//! From texts and arguments to settings.

mod common;

use std::path::{Path, PathBuf};

use common::{Memory, conf, get, load};
use config::{ConfigError, LogLevel, Place, Print, Supervised};

#[track_caller]
fn fails(result: Result<config::Loaded, ConfigError>) -> ConfigError {
    match result {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}

/// A whole configuration as an administrator would write it.
#[test]
fn an_ordinary_file_works_as_it_is() {
    let text = "\
# A replica.
bind 127.0.0.1 10.0.0.5
port 6381
daemonize yes
pidfile /var/run/replica.pid
loglevel notice
logfile \"/var/log/replica.log\"
dbfilename dump.rdb
dir /var/lib/replica
appendonly no
appendfilename \"appendonly.aof\"
appendfsync everysec
slowlog-log-slower-than 10000
slowlog-max-len 128
protected-mode no
repl-diskless-sync yes
repl-diskless-sync-delay 5
slaveof 127.0.0.1 6379
hz 10
activerehashing yes
";
    let loaded = load(&[("redis.conf", text)], "redis.conf").unwrap();
    let s = loaded.config.settings();
    assert_eq!(s.bind, ["127.0.0.1", "10.0.0.5"]);
    assert_eq!((s.port, s.daemonize, s.protected_mode), (6381, true, false));
    assert_eq!(
        (s.pidfile.as_deref(), &s.logfile[..]),
        (Some("/var/run/replica.pid"), "/var/log/replica.log")
    );
    assert_eq!((&s.dbfilename[..], &s.dir[..]), ("dump.rdb", "/var/lib/replica"));
    assert_eq!((s.slowlog_log_slower_than, s.slowlog_max_len), (10_000, 128));
    assert_eq!((s.repl_diskless_sync, s.repl_diskless_sync_delay), (true, 5));
    assert_eq!(s.replicaof, Some(("127.0.0.1".into(), 6379)));
    assert_eq!((s.loglevel, s.appendonly), (LogLevel::Notice, false));
    assert_eq!(loaded.config_file.as_deref(), Some(Path::new("redis.conf")));
    let expected = "Accepted with their default values, and without effect here: activerehashing, hz";
    assert_eq!(loaded.warnings, [expected]);
}

/// What the test suites of others put into each server's file.
#[test]
fn the_file_of_a_test_suite_works_as_it_is() {
    let config = conf(
        "always-show-logo yes\ndaemonize no\npidfile /var/run/valkey.pid\ntimeout 0\nbind 127.0.0.1\n\
         loglevel verbose\nlogfile ''\ndatabases 16\nlatency-monitor-threshold 1\nrepl-diskless-sync-delay 0\n\
         save ''\nrdbcompression yes\ndbfilename dump.rdb\ndir ./\nslave-serve-stale-data yes\nappendonly no\n\
         appendfsync everysec\nno-appendfsync-on-rewrite no\nactiverehashing yes\nenable-protected-configs yes\n\
         enable-debug-command yes\nenable-module-command yes\nhide-user-data-from-log no\nenable-debug-assert yes\n\
         propagation-error-behavior panic\nshutdown-on-sigterm force\nnotify-keyspace-events KEA\n\
         unixsocket /run/s.sock\nport 21111\n",
    );
    let s = config.settings();
    assert!(s.save.is_empty() && s.logfile.is_empty() && s.shutdown_on_sigterm.force && s.always_show_logo);
    assert_eq!(s.repl_diskless_sync_delay, 0);
}

#[test]
fn the_last_line_counts_and_repeated_ones_add_up() {
    let config = conf(
        "port 1\nPORT 2\nsave 60 1\nsave \"120 2 180 3\"\nrename-command config \"\"\nrename-command get g\n",
    );
    let s = config.settings();
    assert_eq!(s.port, 2);
    assert_eq!(s.save, [(60, 1), (120, 2), (180, 3)]);
    assert_eq!(s.rename_command, [("config".into(), String::new()), ("get".into(), "g".into())]);
    assert_eq!(conf("save 60 1\nsave \"\"\nsave 90 2\n").settings().save, [(90, 2)]);
    assert!(conf("save\n").settings().save.is_empty());
    let limits = conf("client-output-buffer-limit slave 1mb 0 0\nclient-output-buffer-limit pubsub 0 0 0\n");
    assert_eq!(get(&limits, "client-output-buffer-limit"), "normal 0 0 0 slave 1048576 0 0 pubsub 0 0 0");
    let users = conf("user a on >secret ~*\nuser b off\n");
    assert_eq!(users.settings().user, ["a on >secret ~*", "b off"]);
}

#[test]
fn line_ends_and_marks_of_other_systems_are_understood() {
    let s = conf("\u{feff}port 1\r\n\r\n  # remark\r\nrequirepass \"a b\"\r\ntimeout 5").settings().clone();
    assert_eq!((s.port, s.requirepass.as_deref(), s.timeout), (1, Some("a b"), 5));
}

#[test]
fn includes_stand_in_for_their_line() {
    let files = [
        ("redis.conf", "port 1\ninclude parts/*.conf\ninclude last.toml\ninclude none/*.conf\nhz 20\n"),
        ("parts/a.conf", "port 2\nhz 30\n"),
        ("parts/b.conf", "timeout 7\n"),
        ("last.toml", "port = 3\n"),
    ];
    let s = load(&files, "redis.conf").unwrap().config.settings().clone();
    assert_eq!((s.port, s.hz, s.timeout), (3, 20, 7));
}

#[test]
fn errors_in_included_files_name_that_file() {
    let files = [("redis.conf", "\ninclude a.conf\n"), ("a.conf", "port 1\n\nbogus 1\n")];
    let error = fails(load(&files, "redis.conf"));
    assert_eq!((error.file(), error.line()), (Some(Path::new("a.conf")), Some(3)));
    let error = fails(load(&[("redis.conf", "\ninclude gone.conf\n")], "redis.conf"));
    assert_eq!((error.file(), error.line()), (Some(Path::new("redis.conf")), Some(2)));
    assert!(error.reason.contains("gone.conf"), "{error}");
}

#[test]
fn includes_without_end_are_stopped() {
    let error = fails(load(&[("redis.conf", "include redis.conf\n")], "redis.conf"));
    assert_eq!(error.reason, "Files include each other more than 16 deep");
    let error =
        fails(load(&[("redis.conf", "include b\ninclude b\n"), ("b", "include redis.conf\n")], "redis.conf"));
    assert!(error.reason.contains("deep") || error.reason.contains("1000"), "{error}");
    let wide = "include b\n".repeat(1001);
    let error = fails(load(&[("redis.conf", &wide), ("b", "port 1\n")], "redis.conf"));
    assert_eq!((error.reason.as_str(), error.line()), ("More than 1000 files are included", Some(1001)));
}

#[test]
fn a_wrong_line_stops_the_start_and_says_where() {
    for (line, reason) in [
        (
            "prot 1",
            "Bad directive or wrong number of arguments: 'prot' is unknown; the nearest name is 'port'",
        ),
        ("zzzzzzzz 1", "Bad directive or wrong number of arguments: 'zzzzzzzz' is unknown"),
        (
            "repl_timeout 1",
            "Bad directive or wrong number of arguments: 'repl_timeout' is unknown; the nearest name is 'repl-timeout'",
        ),
        ("port \"1", "Unbalanced quotes in configuration line"),
        ("port 1 2", "wrong number of arguments"),
        ("port 1 # one", "wrong number of arguments: a comment must stand on a line of its own"),
        ("port", "wrong number of arguments"),
        ("port abc", "argument couldn't be parsed into an integer"),
        ("databases 0", "argument must be between 1 and 2147483647 inclusive"),
        ("loglevel x", "argument(s) must be one of the following: debug, verbose, notice, warning, nothing"),
        ("rename-command get", "wrong number of arguments"),
        ("save 1 1 1", "Invalid save parameters"),
        ("include", "wrong number of arguments"),
        ("sentinel monitor m 127.0.0.1 1 2", "sentinel directive while not in sentinel mode"),
        ("user", "wrong number of arguments"),
    ] {
        let error = fails(load(&[("redis.conf", &format!("# first\n{line}\n"))], "redis.conf"));
        assert_eq!(error.reason, reason, "{line}");
        assert_eq!(error.place, Place::File(PathBuf::from("redis.conf"), 2), "{line}");
        let text = error.to_string();
        let expected = format!("*** FATAL CONFIG FILE ERROR ***\nAt redis.conf:2\n>>> '{line}'\n{reason}");
        assert_eq!(text, expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_outside_comments() {
    let mut files = Memory::default();
    files.files.insert("redis.conf".into(), b"# \xc0\xaf\nport 1\n".to_vec());
    assert_eq!(config::load(&["redis.conf".into()], &files).unwrap().config.settings().port, 1);
    files.files.insert("redis.conf".into(), b"requirepass \"\\xff\"\n".to_vec());
    assert_eq!(fails(config::load(&["redis.conf".into()], &files)).reason, "The line is not valid UTF-8");
}

#[test]
fn a_file_that_cannot_be_read_stops_the_start() {
    let error = fails(load(&[], "gone.conf"));
    assert_eq!((error.file(), error.line()), (Some(Path::new("gone.conf")), None));
}

#[test]
fn directives_without_effect_warn_once_with_their_place() {
    let text = "tls-cluster no\ntls-cluster yes\nactivedefrag no\nlist-max-ziplist-entries 5\nport 1\n";
    let warnings = load(&[("redis.conf", text)], "redis.conf --mptcp yes").unwrap().warnings;
    let starts = [
        "redis.conf:4: 'list-max-ziplist-entries' is accepted but has no effect here: ",
        "command line: 'mptcp' is accepted but has no effect here: ",
        "redis.conf:2: 'tls-cluster' is accepted but has no effect here: ",
        "Accepted with their default values, and without effect here: activedefrag",
    ];
    assert_eq!(warnings.len(), starts.len(), "{warnings:?}");
    for (warning, start) in warnings.iter().zip(starts) {
        assert!(warning.starts_with(start), "{warning}");
    }
}

#[test]
fn options_are_stronger_than_the_file() {
    let files = [("redis.conf", "port 1\nsave 60 1\nhz 20\n")];
    let s = load(&files, "redis.conf --port 2 --save 90 2 --save 91 3").unwrap().config.settings().clone();
    // Save points add up, until an empty one takes away what came before.
    let none = load(&files, "redis.conf --save --save 90 2").unwrap().config.settings().clone();
    assert_eq!(none.save, [(90, 2)]);
    assert_eq!((s.port, s.hz, s.save), (2, 20, vec![(60, 1), (90, 2), (91, 3)]));
}

#[track_caller]
fn options(args: &[&str]) -> Result<config::Settings, ConfigError> {
    let args: Vec<_> = args.iter().map(|arg| arg.to_string()).collect();
    config::load(&args, &Memory::new(&[("redis.conf", "port 1\n")]))
        .map(|loaded| loaded.config.settings().clone())
}

#[test]
fn a_master_may_be_given_in_every_form() {
    for args in [
        &["--slaveof", "127.0.0.1", "7777"][..],
        &["--slaveof", "127.0.0.1 7777"],
        &["--slaveof \"127.0.0.1 7777\""],
        &["--slaveof 127.0.0.1 7777"],
        &["redis.conf", "slaveof", "127.0.0.1", "7777", "--port", "5"],
        &["--replicaof", "127.0.0.1", "7777", "--loglevel", "debug"],
    ] {
        assert_eq!(options(args).unwrap().replicaof, Some(("127.0.0.1".into(), 7777)), "{args:?}");
    }
    assert_eq!(options(&["--slaveof", "no", "one"]).unwrap().replicaof, None);
}

#[test]
fn options_and_values_are_told_apart() {
    let s =
        options(&["--maxmemory 700mb", "--maxmemory-policy 'volatile-lru'", "--dir", "./", "--dir", "/tmp"])
            .unwrap();
    assert_eq!((s.maxmemory, s.maxmemory_policy.word(), &s.dir[..]), (700 << 20, "volatile-lru", "/tmp"));
    let s = options(&["--requirepass", "--secret", "--port", "3"]).unwrap();
    assert_eq!((s.requirepass.as_deref(), s.port), (Some("--secret"), 3));
    for args in [&["--save", "--loglevel", "verbose"][..], &["--save", "", "--loglevel", "verbose"]] {
        let s = options(args).unwrap();
        assert!(s.save.is_empty() && s.loglevel == LogLevel::Verbose, "{args:?}");
    }
    let s =
        options(&["redis.conf", "loglevel", "verbose", "--shutdown-on-sigint", "nosave force now"]).unwrap();
    assert!(s.loglevel == LogLevel::Verbose && s.shutdown_on_sigint.nosave && s.shutdown_on_sigint.now);
    assert_eq!(options(&["--supervised", "systemd"]).unwrap().supervised, Supervised::Systemd);
}

#[test]
fn wrong_options_are_shown_as_they_were_understood() {
    for (args, text, reason) in [
        (&["--port"][..], "port", "wrong number of arguments"),
        (&["--port", "6379", "6380"], "port \"6379\" \"6380\"", "wrong number of arguments"),
        (
            &["--port", "--loglevel", "verbose"],
            "port \"--loglevel\" \"verbose\"",
            "wrong number of arguments",
        ),
        (&["--port", "--bla"], "port \"--bla\"", "argument couldn't be parsed into an integer"),
        (&["--replicaof", "127.0.0.1", "abc"], "replicaof \"127.0.0.1\" \"abc\"", "Invalid master port"),
        (&["--replicaof", "--127.0.0.1", "--abc"], "replicaof \"--127.0.0.1\"", "wrong number of arguments"),
        (&["--"], "--", "Bad directive or wrong number of arguments"),
        (&["--requirepass \"a"], "--requirepass \"a", "Unbalanced quotes"),
        (&["--sentinel"], "sentinel", "sentinel directive while not in sentinel mode"),
    ] {
        let error = options(args).unwrap_err();
        assert_eq!((&error.text[..], &error.reason[..]), (text, reason), "{args:?}");
        assert_eq!((error.line(), error.place), (None, Place::CommandLine));
    }
}

#[test]
fn help_and_version_ask_for_no_start() {
    for (arg, print) in
        [("-h", Print::Help), ("--help", Print::Help), ("-v", Print::Version), ("--version", Print::Version)]
    {
        assert_eq!(load(&[], arg).unwrap().print, Some(print), "{arg}");
    }
    assert_eq!(load(&[], "").unwrap().print, None);
}

#[test]
fn the_standard_input_comes_after_the_file_and_before_the_options() {
    let mut files = Memory::new(&[("redis.conf", "port 1\nhz 20\ntimeout 3\n")]);
    files.stdin = b"port 2\nhz 30\nbogus".to_vec();
    let args = |line: &str| line.split(' ').map(str::to_string).collect::<Vec<_>>();
    let error = fails(config::load(&args("-"), &files));
    assert_eq!((error.place.clone(), error.line()), (Place::Stdin(3), Some(3)));
    files.stdin = b"port 2\nhz 30\n".to_vec();
    for line in ["redis.conf - --hz 40", "redis.conf --hz 40 -"] {
        let s = config::load(&args(line), &files).unwrap().config.settings().clone();
        assert_eq!((s.port, s.hz, s.timeout), (2, 40, 3), "{line}");
    }
}

#[test]
fn toml_says_the_same() {
    let toml = r#"
        # A replica.
        bind = ["127.0.0.1", "10.0.0.5"]
        port = 6381
        daemonize = true
        requirepass = "a \"b\" 'c"
        repl_timeout = "2m"
        repl-backlog-size = "64mb"
        save = [[3600, 1], [300, 100]]
        slaveof = "127.0.0.1 6379"
        shutdown-on-sigterm = ["nosave", "now"]
        latency-tracking-info-percentiles = [50, 99.5]
        client-output-buffer-limit = { replica = ["1mb", 0, 5] }
        user = ["a on >b", "c off"]
        [rename-command]
        CONFIG = ""
        get = "g"
    "#;
    let conf = conf(
        "bind 127.0.0.1 10.0.0.5\nport 6381\ndaemonize yes\nrequirepass \"a \\\"b\\\" 'c\"\nrepl-timeout 120\n\
         repl-backlog-size 64mb\nsave 3600 1\nsave 300 100\nreplicaof 127.0.0.1 6379\nshutdown-on-sigterm nosave now\n\
         latency-tracking-info-percentiles 50 99.5\nclient-output-buffer-limit slave 1mb 0 5\nuser a on >b\nuser c off\n\
         rename-command CONFIG \"\"\nrename-command get g\n",
    );
    let loaded = load(&[("tandem.TOML", toml)], "tandem.TOML").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(loaded.config.settings(), conf.settings());
}

#[test]
fn toml_forms_of_repeated_directives() {
    for (toml, save) in [
        ("save = \"\"", vec![]),
        ("save = []", vec![]),
        ("save = [60, 1]", vec![(60, 1)]),
        ("save = \"60 1 120 2\"", vec![(60, 1), (120, 2)]),
        ("save = [\"60 1\", \"120 2\"]", vec![(60, 1), (120, 2)]),
        ("save = [[60, 1], [120, 2]]", vec![(60, 1), (120, 2)]),
    ] {
        let config = load(&[("t.toml", toml)], "t.toml").unwrap_or_else(|e| panic!("{e}")).config;
        assert_eq!(config.settings().save, save, "{toml}");
    }
    let files = [
        ("t.toml", "include = [\"a b.conf\", \"c.toml\"]"),
        ("a b.conf", "port 1\nhz 20\n"),
        ("c.toml", "port = 2"),
    ];
    let s = load(&files, "t.toml").unwrap_or_else(|e| panic!("{e}")).config.settings().clone();
    assert_eq!((s.port, s.hz), (2, 20));
}

#[test]
fn wrong_toml_says_where() {
    for (toml, line, reason) in [
        ("port = 1\nprot = 2\n", 2, "the nearest name is 'port'"),
        ("port = \"x\"\n", 1, "argument couldn't be parsed into an integer"),
        ("\nport = [1, 2]\n", 2, "wrong number of arguments"),
        ("port = 1\nport = 2\n", 2, "duplicate"),
        ("port = \n", 1, ""),
        ("[replication]\nrepl-timeout = 1\n", 1, "unknown"),
        ("port = { a = 1 }\n", 1, "a table cannot stand here"),
        ("rdbcompression = 1\n", 1, "argument must be 'yes' or 'no'"),
    ] {
        let error = fails(load(&[("t.toml", toml)], "t.toml"));
        assert_eq!(error.line(), Some(line), "{toml} {error}");
        assert!(error.reason.contains(reason), "{toml} {error}");
    }
}

/// A line costs what it holds, however many came before it.
#[test]
fn many_lines_add_up_without_being_copied_again_and_again() {
    let text: String = (0..20_000).map(|n| format!("user u{n} on\n")).collect();
    let config = conf(&text);
    assert_eq!(config.settings().user.len(), 20_000);
    assert_eq!(config.rewrite(text.as_bytes()).unwrap(), text.as_bytes());
}
