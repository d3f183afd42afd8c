//! Users, over real sockets, with real files and real peers.

use harness::peers;
use harness::process::Server;
use harness::wait::{wait, wait_eq};

const USERS: &str = "user default on >root ~* &* +@all\n\
                     user app on >secret ~app:* -@all +@read +@write\n\
                     user link on >replica -@all +psync +replconf +ping\n";

#[test]
fn an_acl_file_is_loaded_saved_and_loaded_again() {
    let launch = Server::tandem().unsaved().args(&["--aclfile", "users.acl"]);
    std::fs::write(launch.dir().join("users.acl"), USERS).expect("the file can be written");
    let mut server = launch.start();
    let mut root = server.client();
    wait_eq("OK", || root.run("AUTH default root"));
    let mut app = server.client();
    assert_eq!(app.run("AUTH app secret"), "OK");
    // Nobody may log in without a password, so that the harness cannot see the end of the loading.
    wait_eq("OK", || app.run("SET app:k v"));
    assert_eq!(app.run("SET k v"), "-NOPERM No permissions to access a key");
    assert_eq!(
        app.run("CONFIG GET dir"),
        "-NOPERM User app has no permissions to run the 'config|get' command"
    );

    assert_eq!(root.run("ACL SETUSER late on nopass +ping"), "OK");
    assert_eq!(root.run("ACL SAVE"), "OK");
    let path = server.path("users.acl");
    let saved = std::fs::read_to_string(&path).expect("the file is there");
    assert!(saved.contains("\nuser late on nopass resetchannels -@all +ping\n"), "{saved}");

    // A file with a mistake changes nothing.
    std::fs::write(&path, format!("{saved}user late off\n")).expect("the file can be written");
    assert!(root.run("ACL LOAD").starts_with("-ERR WARNING: Duplicate user 'late' found on line 5. "));
    assert_eq!(app.run("GET app:k"), "v");
    // Whoever is not in the file any more is out.
    std::fs::write(&path, saved.lines().filter(|line| !line.contains("app")).collect::<Vec<_>>().join("\n"))
        .expect("the file can be written");
    assert_eq!(root.run("ACL LOAD"), "OK");
    assert!(app.read_to_close().is_empty());
    assert_eq!(root.run("ACL USERS"), "[default late link]");
    std::fs::remove_file(&path).expect("the file can be removed");
    assert_eq!(
        root.run("ACL LOAD"),
        "-ERR Error loading ACLs, opening file 'users.acl': No such file or directory"
    );
    server.kill();
}

#[test]
fn what_is_wrong_with_users_keeps_a_server_from_starting() {
    let failed = |conf: &str, acl: &str| {
        let launch = Server::tandem().unsaved().config_file("tandem.conf", conf);
        std::fs::write(launch.dir().join("users.acl"), acl).expect("the file can be written");
        launch.fail().log
    };
    for (conf, acl, says) in [
        ("user a +nope\n", "", "Error loading ACL rule '+nope' for the user named 'a': Unknown command"),
        ("user a on\nuser a off\n", "", "Error in user declaration 'a': Duplicate user found."),
        ("aclfile users.acl\n", "user a onn\n", "users.acl:1: Syntax error."),
        ("aclfile users.acl\nuser a on\n", "", "in the configuration file and in an ACL file"),
        ("aclfile nobody.acl\n", "", "opening file 'nobody.acl': No such file or directory"),
    ] {
        let log = failed(conf, acl);
        assert!(log.contains(says), "{conf}: {log}");
    }
}

#[test]
fn users_outlive_a_restart_in_the_configuration_file() {
    let mut server = Server::tandem()
        .unsaved()
        .config_file("tandem.conf", "user default on nopass ~* &* +@all -flushdb\n")
        .start();
    assert!(server.run("FLUSHDB").starts_with("-NOPERM "));
    server.ok(&[
        "ACL SETUSER app on >secret ~app:* +@all",
        "ACL SETUSER app (+get ~shared)",
        "CONFIG REWRITE",
    ]);
    server.terminate();
    server.start_again();
    assert!(server.run("FLUSHDB").starts_with("-NOPERM "));
    let mut app = server.client();
    assert_eq!(app.run("AUTH app secret"), "OK");
    assert_eq!(app.run("GET shared"), "nil");
    assert!(app.run("SET shared v").starts_with("-NOPERM "));
}

/// A replica follows a master as a user that may do nothing else.
fn as_a_user_that_may_only_follow(master: &Server, replica: &Server, ready: impl Fn() -> String) {
    let mut root = master.client();
    assert_eq!(root.run("ACL SETUSER link on >replica -@all +psync +replconf +ping"), "OK");
    assert_eq!(root.run("ACL SETUSER default on >root"), "OK");
    assert_eq!(replica.run("CONFIG SET masteruser link"), "OK");
    assert_eq!(replica.run("CONFIG SET masterauth wrong"), "OK");
    assert_eq!(replica.run(&format!("REPLICAOF 127.0.0.1 {}", master.port())), "OK");
    wait("a login fails", || root.run("ACL LOG").contains("auth"));
    assert_eq!(replica.info("master_link_status"), "down");
    assert_eq!(replica.run("CONFIG SET masterauth replica"), "OK");
    replica.wait_for_link();
    assert_eq!(root.run("SET k v"), "OK");
    wait_eq("v", ready);
    assert!(root.run("CLIENT LIST TYPE replica").contains(" user=link "));
}

#[test]
fn replicas_follow_as_a_user() {
    let (master, replica) = (Server::tandem().unsaved().start(), Server::tandem().unsaved().start());
    as_a_user_that_may_only_follow(&master, &replica, || replica.run("GET k"));
    // What the replica's own users may do has nothing to do with what comes from its master.
    let mut local = replica.client();
    assert_eq!(local.run("ACL SETUSER default resetkeys"), "OK");
    let mut root = master.client();
    assert_eq!(root.run("AUTH root"), "OK");
    assert_eq!(root.run("SET k w"), "OK");
    replica.wait_for_link();
    assert_eq!(local.run("ACL SETUSER default allkeys"), "OK");
    wait_eq("w", || replica.run("GET k"));
}

#[test]
fn a_real_redis_follows_as_a_user_and_is_followed_as_one() {
    let Some(redis) = peers::redis_server() else { return };
    let (master, replica) = (Server::tandem().unsaved().start(), Server::peer(&redis).unsaved().start());
    as_a_user_that_may_only_follow(&master, &replica, || replica.run("GET k"));
    let (master, replica) = (Server::peer(&redis).unsaved().start(), Server::tandem().unsaved().start());
    as_a_user_that_may_only_follow(&master, &replica, || replica.run("GET k"));
}

#[test]
fn made_up_passwords_differ_between_servers() {
    let password = || Server::tandem().unsaved().start().run("ACL GENPASS");
    let (one, two) = (password(), password());
    assert_eq!(one.len(), 64);
    assert_ne!(one, two);
}
