//! Sessions of everyday use with the client libraries that people have: redis-rs, redis-py, node-redis.
//!
//! Each goes through the same: a pool, rights, a pipeline, a transaction, a script, publish/subscribe, a blocking pop, a stream group.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::peers;
use harness::process::Server;
use redis::streams::{StreamPendingReply, StreamReadOptions, StreamReadReply};
use redis::{Commands, RedisResult};

/// A server with a user that may do everything on its own keys.
fn server() -> Server {
    let server = Server::tandem().unsaved().start();
    server.ok(&["ACL SETUSER app on >secret ~app:* &app:* &app:c* +@all -@admin -@dangerous +info"]);
    server
}

/// Runs a session that is written in another language; it names each part that it has been through.
fn run(command: &mut Command, session: &str, port: u16) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(session);
    let output = command.arg(path).arg(port.to_string()).output().expect("it has been found");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "after {said:?}:\n{failed}");
    assert_eq!(said.lines().count(), 8, "{said}");
}

#[test]
fn a_session_with_redis_py() {
    let Some(python) = peers::python_with_redis() else { return };
    run(&mut Command::new(python), "session.py", server().port());
}

#[test]
fn a_session_with_node_redis() {
    let Some(mut node) = peers::node_with_redis() else { return };
    run(&mut node, "session.js", server().port());
}

#[test]
fn a_session_with_redis_rs() -> RedisResult<()> {
    let server = server();
    let url = format!("redis://app:secret@127.0.0.1:{}/", server.port());
    let client = redis::Client::open(url).expect("an address");
    let mut con = client.get_connection()?;

    // Several connections at once.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut con = client.get_connection().expect("the server lets it in");
                for _ in 0..100 {
                    let _: i64 = con.incr("app:visits", 1).expect("it is allowed");
                }
            });
        }
    });
    assert_eq!(con.get::<_, i64>("app:visits")?, 800);

    // Rights.
    let error = con.set::<_, _, ()>("other", 1).unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"));

    // A pipeline.
    let mut pipeline = redis::pipe();
    for number in 0..1000 {
        pipeline.set(format!("app:n:{number}"), number).ignore().get(format!("app:n:{number}"));
    }
    assert!(pipeline.query::<Vec<i64>>(&mut con)?.into_iter().eq(0..1000));

    // A transaction that somebody interferes with.
    let mut other = client.get_connection()?;
    let () = con.set("app:balance", 10)?;
    let (balance,): (i64,) = redis::transaction(&mut con, &["app:balance"], |con, pipe| {
        let balance: i64 = con.get("app:balance")?;
        if balance == 10 {
            let () = other.set("app:balance", 20)?;
        }
        pipe.set("app:balance", balance - 5).ignore().get("app:balance").query(con)
    })?;
    assert_eq!(balance, 15);

    // A script, which is loaded when the server says that it does not know it.
    let mut script = redis::cmd("EVAL");
    script.arg("return redis.call('INCRBY', KEYS[1], ARGV[1]) * 2").arg(1).arg("app:sum").arg(21);
    assert_eq!(script.query::<i64>(&mut con)?, 42);

    // Publish/subscribe.
    let mut listening = client.get_connection()?;
    listening.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut listener = listening.as_pubsub();
    listener.subscribe("app:news")?;
    listener.psubscribe("app:c*")?;
    assert_eq!(con.publish::<_, _, i64>("app:news", "hello")?, 1);
    assert_eq!(con.publish::<_, _, i64>("app:chat", "you")?, 1);
    for (channel, said) in [("app:news", "hello"), ("app:chat", "you")] {
        let message = listener.get_message()?;
        assert_eq!(
            (message.get_channel_name(), message.get_payload::<String>()?),
            (channel, said.to_owned())
        );
    }

    // A blocking pop.
    assert_eq!(con.blpop::<_, Option<(String, String)>>("app:queue", 0.05)?, None);
    let taken = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut con = client.get_connection().expect("the server lets it in");
            con.blpop::<_, (String, String)>(&["app:none", "app:queue"], 10.0).expect("there is something")
        });
        let _: i64 = other.rpush("app:queue", "job").expect("it is allowed");
        waiting.join().expect("it ends")
    });
    assert_eq!(taken, ("app:queue".to_owned(), "job".to_owned()));

    // A group on a stream.
    let () = con.xgroup_create_mkstream("app:log", "workers", "0")?;
    let ids: Vec<String> =
        (0..4).map(|number| con.xadd("app:log", "*", &[("n", number)])).collect::<RedisResult<_>>()?;
    let options = StreamReadOptions::default().group("workers", "one").count(3);
    let read: StreamReadReply = con.xread_options(&["app:log"], &[">"], &options)?;
    let got: Vec<(String, HashMap<String, redis::Value>)> =
        read.keys[0].ids.iter().map(|entry| (entry.id.clone(), entry.map.clone())).collect();
    assert_eq!(got.iter().map(|(id, _)| id).collect::<Vec<_>>(), ids[..3].iter().collect::<Vec<_>>());
    assert_eq!(con.xack::<_, _, _, i64>("app:log", "workers", &ids[..2])?, 2);
    let StreamPendingReply::Data(pending) = con.xpending("app:log", "workers")? else {
        panic!("one entry is pending")
    };
    assert_eq!(pending.count, 1);
    Ok(())
}
