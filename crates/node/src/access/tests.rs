use std::path::PathBuf;

use crate::action::{Action, Completion};
use crate::node::Boot;
use crate::testing::Fixture;

fn with(options: &[&str], user: &str) -> Fixture {
    let mut node = Fixture::with(options);
    let mut words = vec!["ACL", "SETUSER", "u", "on", "nopass"];
    words.extend(user.split(' ').filter(|word| !word.is_empty()));
    assert_eq!(node.run(&words), "+OK\r\n");
    node
}

/// A client that is the user `u`.
fn as_u(node: &mut Fixture) -> crate::ConnId {
    let conn = node.client();
    assert_eq!(node.run_on(conn, &["AUTH", "u", "any"]), "+OK\r\n");
    conn
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

const NO_KEY: &str = "-NOPERM No permissions to access a key\r\n";
const NO_DATABASE: &str = "-NOPERM No permissions to access database\r\n";

#[test]
fn what_is_not_allowed_is_refused() {
    let mut node = with(&[], "+get +mget +set +config|get +sort ~a* %R~r*");
    let u = as_u(&mut node);
    for (request, reply) in [
        ("GET a1", "$-1\r\n"),
        ("GET r", "$-1\r\n"),
        ("GET b", NO_KEY),
        ("MGET a r b", NO_KEY),
        ("SET a 1", "+OK\r\n"),
        ("SET r 1", NO_KEY),
        ("DEL a", "-NOPERM User u has no permissions to run the 'del' command\r\n"),
        ("CONFIG SET a b", "-NOPERM User u has no permissions to run the 'config|set' command\r\n"),
        ("SORT a BY w_*", "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"),
        ("SORT a GET #", "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n"),
        ("SORT missing", NO_KEY),
        ("NOSUCH", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"),
        ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
    ] {
        assert_eq!(node.run_on(u, &words(request)), reply, "{request}");
    }
    // What was refused to one is not remembered for another.
    assert_eq!(node.run(&["SORT", "list", "BY", "w_*", "GET", "#"]), "*0\r\n");
    let info = node.run(&["INFO", "stats"]);
    for line in ["acl_access_denied_cmd:2", "acl_access_denied_key:4", "acl_access_denied_auth:0"] {
        assert!(info.contains(&format!("\r\n{line}\r\n")), "{line}: {info}");
    }
}

#[test]
fn the_arguments_decide_what_a_key_needs() {
    let mut node = with(&[], "+@all %R~r* %W~w*");
    for (request, allowed) in [
        ("SET w v", true),
        ("SET w GET", true),
        ("SET w v GET", false),
        ("SET w v EX GET", false),
        ("SET r v", false),
        ("BITFIELD r GET u4 0", true),
        ("BITFIELD r GET u4 0 SET u4 0 1", false),
        ("BITFIELD w SET u4 0 1", false),
        ("COPY r w", true),
        ("COPY w r", false),
        ("EXISTS r w", true),
        ("EXISTS x", false),
        ("GEORADIUS r 0 0 1 km STORE w", true),
        ("GEORADIUS r 0 0 1 km STORE w STOREDIST x", false),
        ("GEORADIUS r 0 0 1 km STORE x STORE w", true),
        ("HGETEX r FIELDS 1 f", false),
        ("SINTERCARD 2 r w", false),
    ] {
        let request = words(request);
        let reply = node.run(&[&["ACL", "DRYRUN", "u"], &request[..]].concat());
        assert_eq!(reply == "+OK\r\n", allowed, "{request:?}: {reply}");
    }
}

#[test]
fn a_dry_run_says_what_is_lacking() {
    let mut node = with(&[], "+get +select ~a* db=0,1");
    for (request, reply) in [
        ("u GET a", "+OK\r\n"),
        ("u GET b", "$51\r\nUser u has no permissions to access the 'b' key\r\n"),
        ("u DEL a", "$49\r\nUser u has no permissions to run the 'del' command\r\n"),
        ("u SELECT 5", "$46\r\nUser u has no permissions to access database 5\r\n"),
        ("u GET", "-ERR wrong number of arguments for 'get' command\r\n"),
        ("u NOSUCH", "-ERR Command 'NOSUCH' not found\r\n"),
        ("v GET a", "-ERR User 'v' not found\r\n"),
    ] {
        let reply_is = node.run(&[&["ACL", "DRYRUN"], &words(request)[..]].concat());
        assert_eq!(
            reply_is.split_once("\r\n").map(|(_, text)| text),
            reply.split_once("\r\n").map(|(_, text)| text)
        );
        assert_eq!(reply_is.is_empty(), reply.is_empty(), "{request}");
    }
    node.run(&["SELECT", "2"]);
    assert!(
        node.run(&["ACL", "DRYRUN", "u", "GET", "a"])
            .contains("User u has no permissions to access database get")
    );
}

#[test]
fn databases_are_closed_to_those_who_have_no_right_to_them() {
    let mut node = with(&[], "+@all ~* &* db=0,1");
    let u = as_u(&mut node);
    for (request, reply) in [
        ("SELECT 2", NO_DATABASE),
        ("SELECT 99", "-ERR DB index is out of range\r\n"),
        ("SWAPDB 0 2", NO_DATABASE),
        ("MOVE k 2", NO_DATABASE),
        ("COPY k d DB 1 DB 2", NO_DATABASE),
        ("COPY k d DB 1", ":0\r\n"),
        ("FLUSHALL", NO_DATABASE),
        ("FLUSHDB", "+OK\r\n"),
        ("SELECT 1", "+OK\r\n"),
        ("SET k v", "+OK\r\n"),
        ("MULTI", "+OK\r\n"),
        ("SELECT 0", "+QUEUED\r\n"),
        ("GET k", "+QUEUED\r\n"),
        ("EXEC", "*2\r\n+OK\r\n$-1\r\n"),
    ] {
        assert_eq!(node.run_on(u, &words(request)), reply, "{request}");
    }
    node.run(&["ACL", "SETUSER", "u", "db=5"]);
    for (request, reply) in [
        ("GET k", NO_DATABASE),
        ("WATCH k", NO_DATABASE),
        ("DBSIZE", NO_DATABASE),
        ("MOVE k 5", NO_DATABASE),
        ("PING", "+PONG\r\n"),
        ("SELECT 5", "+OK\r\n"),
        ("GET k", "$-1\r\n"),
    ] {
        assert_eq!(node.run_on(u, &words(request)), reply, "{request}");
    }
}

#[test]
fn a_transaction_is_checked_twice() {
    let mut node = with(&[], "+@all ~a*");
    let u = as_u(&mut node);
    node.run_on(u, &["MULTI"]);
    assert_eq!(node.run_on(u, &["GET", "b"]), NO_KEY);
    assert!(node.run_on(u, &["EXEC"]).starts_with("-EXECABORT "));

    node.run_on(u, &["MULTI"]);
    for request in ["GET a", "SET a 1", "PING"] {
        assert_eq!(node.run_on(u, &words(request)), "+QUEUED\r\n");
    }
    node.run(&["ACL", "SETUSER", "u", "-get", "resetkeys"]);
    let changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                   command is no longer allowed for the following reason: no permission to";
    assert_eq!(
        node.run_on(u, &["EXEC"]),
        format!(
            "*3\r\n{changed} execute the command or subcommand\r\n{changed} touch the specified keys\r\n+PONG\r\n"
        )
    );
    let log = node.run(&["ACL", "LOG", "1"]);
    assert!(log.contains("\r\nmulti\r\n") && log.contains(" cmd=exec user=u "), "{log}");
}

#[test]
fn who_waits_is_checked_again() {
    let mut node = with(&[], "+@all ~*");
    let u = as_u(&mut node);
    assert_eq!(node.run_on(u, &["BLPOP", "list", "0"]), "");
    node.run(&["ACL", "SETUSER", "u", "resetkeys"]);
    node.run(&["RPUSH", "list", "x"]);
    assert_eq!(node.read_from(u), NO_KEY);
    assert_eq!(node.run_on(u, &["PING"]), "+PONG\r\n");
    assert_eq!(node.run(&["LLEN", "list"]), ":1\r\n");
}

#[test]
fn the_log_tells_who_was_refused_what() {
    let mut node = with(&[], "+get ~a");
    let u = as_u(&mut node);
    node.run_on(u, &["GET", "b"]);
    node.run_on(u, &["GET", "b"]);
    node.run_on(u, &["AUTH", "u2", "x"]);
    node.run(&["HELLO", "3"]);
    let log = node.run(&["ACL", "LOG"]);
    let entry = |reason: &str, object: &str, username: &str| {
        let text = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        ["reason", reason, "context", "toplevel", "object", object, "username", username].map(text).concat()
    };
    assert!(
        log.starts_with(&format!("*2\r\n%10\r\n$5\r\ncount\r\n:1\r\n{}", entry("auth", "AUTH", "u2"))),
        "{log}"
    );
    assert!(
        log.contains(&format!("\r\n:2\r\n{}$11\r\nage-seconds\r\n,0\r\n", entry("key", "b", "u"))),
        "{log}"
    );
    assert!(log.contains(" cmd=get user=u "), "{log}");
    assert!(node.run(&["ACL", "LOG", "1"]).starts_with("*1\r\n"));
    assert_eq!(node.run(&["ACL", "LOG", "RESET"]), "+OK\r\n");
    assert_eq!(node.run(&["ACL", "LOG"]), "*0\r\n");
    assert!(node.run(&["ACL", "LOG", "1", "2"]).starts_with("-ERR unknown subcommand or wrong number"));
}

#[test]
fn users_come_and_go() {
    let mut node = with(&[], "+@all");
    let u = as_u(&mut node);
    assert_eq!(node.run_on(u, &["ACL", "WHOAMI"]), "$1\r\nu\r\n");
    assert_eq!(node.run(&["ACL", "USERS"]), "*2\r\n$7\r\ndefault\r\n$1\r\nu\r\n");
    assert!(node.run(&["CLIENT", "LIST", "USER", "u"]).contains(" user=u "));
    assert_eq!(node.run(&["CLIENT", "LIST", "USER", "v"]), "-ERR No such user 'v'\r\n");
    assert_eq!(
        node.run(&["ACL", "DELUSER", "default", "u"]),
        "-ERR The 'default' user cannot be removed\r\n"
    );
    node.actions();
    assert_eq!(node.run(&["ACL", "DELUSER", "u", "v"]), ":1\r\n");
    assert!(matches!(&node.actions()[..], [Action::Close(conn)] if *conn == u));
    assert_eq!(node.run(&["ACL", "GETUSER", "u"]), "$-1\r\n");
    // The one that deletes itself still hears that it is done.
    node.run(&["ACL", "SETUSER", "v", "on", "nopass", "+@all"]);
    node.run(&["AUTH", "v", ""]);
    assert_eq!(node.run(&["ACL", "DELUSER", "v"]), ":1\r\n");
    assert!(matches!(&node.actions()[..], [Action::Close(_)]));
}

#[test]
fn a_user_is_described() {
    let mut node = with(&[], ">p ~a +get (%R~x +set)");
    node.run(&["HELLO", "3"]);
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let hash = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940";
    let rights = |commands: &str, keys: &str| {
        ["commands", commands, "keys", keys, "channels", "", "databases", "alldbs"].map(bulk).concat()
    };
    let expected = format!(
        "%7\r\n{}~1\r\n{}{}*1\r\n{}{}{}*1\r\n%4\r\n{}",
        bulk("flags"),
        bulk("on"),
        bulk("passwords"),
        bulk(hash),
        rights("-@all +get", "~a"),
        bulk("selectors"),
        rights("-@all +set", "%R~x"),
    );
    assert_eq!(node.run(&["ACL", "GETUSER", "u"]), expected);
    let line = format!("user u on #{hash} ~a resetchannels -@all +get (%R~x resetchannels -@all +set)");
    assert_eq!(
        node.run(&["ACL", "LIST"]),
        format!("*2\r\n{}{}", bulk("user default on nopass ~* &* +@all"), bulk(&line))
    );
}

#[test]
fn passwords_are_made_up_at_random() {
    let mut node = Fixture::new();
    let first = node.run(&["ACL", "GENPASS"]);
    assert!(first.starts_with("$64\r\n"), "{first}");
    assert_ne!(node.run(&["ACL", "GENPASS"]), first);
    assert!(node.run(&["ACL", "GENPASS", "5"]).starts_with("$2\r\n"));
    for bits in ["0", "-1", "4097"] {
        assert!(
            node.run(&["ACL", "GENPASS", bits])
                .starts_with("-ERR ACL GENPASS argument must be the number of bits")
        );
    }
}

#[test]
fn categories_and_their_commands() {
    let mut node = Fixture::new();
    assert!(node.run(&["ACL", "CAT"]).starts_with("*21\r\n$8\r\nkeyspace\r\n"));
    let of = node.run(&["ACL", "CAT", "Transaction"]);
    assert!(of.contains("\r\nmulti\r\n") && !of.contains("\r\nget\r\n"), "{of}");
    assert_eq!(node.run(&["ACL", "CAT", "nope"]), "-ERR Unknown category 'nope'\r\n");
}

#[test]
fn requirepass_is_the_password_of_the_default_user() {
    let mut node = Fixture::with(&["--requirepass", "secret"]);
    assert_eq!(node.run(&["GET", "a"]), "-NOAUTH Authentication required.\r\n");
    assert!(node.run(&["AUTH", "wrong"]).starts_with("-WRONGPASS"));
    assert_eq!(node.run(&["AUTH", "secret"]), "+OK\r\n");
    assert!(node.run(&["ACL", "LIST"]).contains(
        "user default on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all"
    ));
    let waiting = node.client();
    node.run(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(node.run_on(waiting, &["GET", "a"]), "$-1\r\n");
    assert!(
        node.run(&["AUTH", "x"]).starts_with("-ERR AUTH <password> called without any password configured")
    );
    node.run(&["ACL", "SETUSER", "default", "off"]);
    let late = node.client();
    assert!(node.run_on(late, &["GET", "a"]).starts_with("-NOAUTH"));
    assert_eq!(node.run(&["GET", "a"]), "$-1\r\n", "who is in stays in");
}

#[test]
fn users_of_the_configuration() {
    let mut node =
        Fixture::with(&["--user", "default on nopass ~* +@all -flushdb", "--user", "a on >p +@all"]);
    assert!(node.run(&["FLUSHDB"]).starts_with("-NOPERM"));
    assert_eq!(node.run(&["AUTH", "a", "p"]), "+OK\r\n");
    let config = |definitions: &[&str]| {
        let args: Vec<String> =
            definitions.iter().flat_map(|one| ["--user".to_owned(), (*one).to_owned()]).collect();
        config::load(&args, &config::NoFiles).map(|loaded| loaded.config)
    };
    let wrong = config(&["a +nope"]).expect("the rules are nobody's business yet");
    assert!(
        crate::check_users(&wrong, None).unwrap_err().contains("Unknown command or category name in ACL")
    );
    assert!(config(&["a on", "a off"]).unwrap_err().to_string().contains("Duplicate user"));
}

#[test]
fn the_file_is_rewritten_with_the_users() {
    let boot = Boot { config_file: Some(PathBuf::from("/etc/tandem.conf")), ..Boot::default() };
    let mut node = Fixture::boot(&["--requirepass", "x"], boot);
    node.run(&["AUTH", "x"]);
    let rewritten = |node: &mut Fixture| {
        node.run(&["CONFIG", "REWRITE"]);
        let job = node.actions().into_iter().find_map(|action| match action {
            Action::RewriteConfig { job, config, .. } => Some((job, config)),
            _ => None,
        });
        let (job, config) = job.expect("the file is to be written");
        node.complete(job, Completion::ConfigRewritten(Ok(())));
        node.read();
        String::from_utf8(config.rewrite(b"").expect("it can be")).expect("UTF-8")
    };
    assert!(!rewritten(&mut node).contains("user "), "the default user is what requirepass makes of it");
    node.run(&["ACL", "SETUSER", "a", "on", "(+get", "~x)"]);
    let text = rewritten(&mut node);
    assert!(text.contains("\nuser a on resetchannels -@all (~x resetchannels -@all +get)\n"), "{text}");
}

#[test]
fn the_acl_file_is_saved_and_loaded() {
    let text = b"user a on >p +@all ~*\nuser b on nopass +acl\n".to_vec();
    let boot = Boot { acl_file: Some(text), ..Boot::default() };
    let mut node = Fixture::boot(&["--aclfile", "users.acl", "--dir", "/data"], boot);
    assert_eq!(node.run(&["AUTH", "a", "p"]), "+OK\r\n");
    let b = node.client();
    node.run_on(b, &["AUTH", "b", ""]);
    node.run(&["ACL", "SETUSER", "c", "on"]);
    node.actions();
    assert_eq!(node.run(&["ACL", "SAVE"]), "");
    let job = node.actions().into_iter().find_map(|action| match action {
        Action::SaveAcl { job, path, text } => {
            assert_eq!(path, PathBuf::from("/data/users.acl"));
            assert_eq!(String::from_utf8_lossy(&text).lines().count(), 4);
            Some(job)
        }
        _ => None,
    });
    node.complete(job.expect("the file is to be written"), Completion::AclSaved(Ok(())));
    assert_eq!(node.read(), "+OK\r\n");

    let load = |node: &mut Fixture, conn: crate::ConnId, text: &str| {
        assert_eq!(node.run_on(conn, &["ACL", "LOAD"]), "");
        let job = node.actions().into_iter().find_map(|action| match action {
            Action::ReadAcl { job, .. } => Some(job),
            _ => None,
        });
        node.complete(
            job.expect("the file is to be read"),
            Completion::AclRead(Ok(text.as_bytes().to_vec())),
        );
        node.read_from(conn)
    };
    let conn = node.conn;
    let wrong = load(&mut node, conn, "user a on\nuser a off\n");
    assert!(wrong.starts_with("-ERR WARNING: Duplicate user 'a' found on line 2. "), "{wrong}");
    assert!(node.run(&["ACL", "GETUSER", "c"]).starts_with("*14\r\n"), "nothing has changed");
    // The one that loads a file without itself hears that it is done, and is gone then.
    assert_eq!(load(&mut node, b, "user a on >p +@all\n"), "+OK\r\n");
    assert!(node.actions().iter().any(|action| matches!(action, Action::Close(conn) if *conn == b)));
    assert_eq!(node.run(&["GET", "k"]), NO_KEY);
}

#[test]
fn without_an_acl_file_there_is_nothing_to_load() {
    let mut node = Fixture::new();
    for word in ["LOAD", "SAVE"] {
        assert!(
            node.run(&["ACL", word]).starts_with("-ERR This instance is not configured to use an ACL file.")
        );
    }
}

const NO_CHANNEL: &str = "-NOPERM No permissions to access a channel\r\n";

#[test]
fn channels_are_for_those_who_have_a_right_to_them() {
    let mut node = with(&[], "+@pubsub +multi resetchannels &news.* &chat");
    let u = as_u(&mut node);
    for (request, allowed) in [
        ("PUBLISH news.today x", true),
        ("SPUBLISH chat x", true),
        ("PUBLISH talk x", false),
        ("SUBSCRIBE chat talk", false),
        ("SSUBSCRIBE talk", false),
        ("PSUBSCRIBE news.*", true),
        ("PSUBSCRIBE news.a*", false),
        ("PUNSUBSCRIBE other", true),
    ] {
        let reply = node.run_on(u, &words(request));
        assert_eq!(reply == NO_CHANNEL, !allowed, "{request}: {reply}");
    }
}

#[test]
fn subscribers_go_when_their_channels_are_taken_away() {
    let mut node = with(&[], "+subscribe +psubscribe resetchannels &a &b*");
    let (stays, goes) = (as_u(&mut node), as_u(&mut node));
    node.run_on(stays, &["SUBSCRIBE", "a"]);
    node.run_on(goes, &["PSUBSCRIBE", "b*"]);
    node.actions();
    node.run(&["ACL", "SETUSER", "u", "&c"]);
    assert_eq!(node.actions().len(), 0);
    node.run(&["ACL", "SETUSER", "u", "resetchannels", "&a"]);
    assert!(matches!(&node.actions()[..], [Action::Close(conn)] if *conn == goes));
    node.run(&["ACL", "SETUSER", "u", "allchannels"]);
    node.run(&["ACL", "SETUSER", "u", "resetchannels"]);
    assert!(matches!(&node.actions()[..], [Action::Close(conn)] if *conn == stays));
}

#[test]
fn strangers_who_do_not_read_are_closed() {
    let mut node = Fixture::with(&["--requirepass", "secret"]);
    let (stranger, known) = (node.client(), node.client());
    node.run_on(known, &["AUTH", "secret"]);
    node.run_on(known, &["RESET"]);
    node.actions();
    for _ in 0..1000 {
        node.input(stranger, &["GET", "k"]);
        node.input(known, &["GET", "k"]);
    }
    assert!(matches!(&node.actions()[..], [Action::Close(conn)] if *conn == stranger));
    assert!(node.read_from(known).starts_with("-NOAUTH"));
}
