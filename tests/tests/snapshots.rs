//! Snapshots on the disk: the settings that say how they are written and read, and what is seen of it meanwhile.

use std::path::Path;

use harness::client::Client;
use harness::process::Server;
use harness::wait::{wait, wait_eq, wait_some};

fn dump(server: &Server) -> Vec<u8> {
    std::fs::read(server.path("dump.rdb")).expect("a dump was written")
}

#[test]
fn strings_are_compressed_if_that_is_wanted() {
    let server = Server::tandem().unsaved().start();
    server.ok(&[&format!("SET key {}", "a".repeat(10_000)), "SAVE"]);
    let compressed = dump(&server).len();
    server.ok(&["CONFIG SET rdbcompression no", "SAVE"]);
    let plain = dump(&server).len();
    assert!(compressed < 1_000 && plain > 10_000, "{compressed} and {plain} bytes");
}

#[test]
fn the_checksum_is_written_and_held_against_the_data_if_that_is_wanted() {
    let mut server = Server::tandem().unsaved().start();
    server.ok(&["SET key some-value", "SAVE"]);
    server.kill();
    let mut bytes = dump(&server);
    let at = bytes.windows(10).position(|window| window == b"some-value").expect("the value is in the dump");
    bytes[at] = b'S';
    std::fs::write(server.path("dump.rdb"), &bytes).unwrap();

    let strict = Server::tandem().unsaved().args(&["--dir", server.dir().to_str().unwrap()]);
    let failure = strict.fail();
    assert_eq!(failure.status.code(), Some(1));
    assert!(failure.log.contains("CRC error: checksum"), "{}", failure.log);

    server.start_again_with(&["--rdbchecksum", "no"]);
    assert_eq!(server.run("GET key"), "Some-value");
    server.ok(&["SAVE"]);
    assert_eq!(dump(&server).last_chunk::<8>(), Some(&[0; 8]), "no checksum is written");
}

/// A payload of DUMP whose listpack contradicts itself, with the checksum that belongs to it.
fn damaged_payload(server: &Server) -> Vec<u8> {
    server.ok(&["CONFIG SET rdbcompression no"]);
    let mut client = server.client();
    assert_eq!(client.run("RPUSH list element other"), "2");
    let mut payload = client.call(&["DUMP", "list"]).as_bytes().expect("DUMP gives a string").to_vec();
    let at =
        payload.windows(7).position(|window| window == b"element").expect("the element is in the payload");
    // Its length, which stands before it.
    payload[at - 1] = 0x80 | 9;
    let sum = payload.len() - 8;
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Redis, &payload[..sum]);
    payload[sum..].copy_from_slice(&checksum.to_le_bytes());
    payload
}

#[test]
fn payloads_are_checked_whatever_the_setting_says() {
    let server = Server::tandem().unsaved().start();
    let payload = damaged_payload(&server);
    let mut client = server.client();
    for setting in ["no", "clients", "yes"] {
        assert_eq!(client.run(&format!("CONFIG SET sanitize-dump-payload {setting}")), "OK");
        let reply = client.call(&[b"RESTORE", b"copy".as_slice(), b"0", &payload]);
        let text = harness::client::show(&reply);
        assert!(text.starts_with("-ERR Bad data format"), "{setting}: {text}");
    }
    assert_eq!(client.run("EXISTS copy"), "0");
}

fn exists(path: &Path) -> bool {
    path.try_exists().expect("the directory can be read")
}

#[test]
fn dumps_that_only_served_a_synchronisation_are_removed_if_that_is_wanted() {
    let over_the_disk = ["--repl-diskless-sync", "no"];
    let master = Server::tandem().unsaved().args(&over_the_disk).start();
    master.ok(&["SET key value"]);
    let replica = Server::tandem().unsaved().follow(&master).start();
    replica.assert_same_data_as(&master);
    assert!(exists(&master.path("dump.rdb")) && exists(&replica.path("dump.rdb")), "they stay by default");

    for server in [&master, &replica] {
        server.ok(&["CONFIG SET rdb-del-sync-files yes"]);
    }
    assert_eq!(replica.run("REPLICAOF NO ONE"), "OK");
    replica.ok(&["SET other value"]);
    replica.replicate(&master);
    replica.assert_same_data_as(&master);
    wait("both dumps are gone", || !exists(&master.path("dump.rdb")) && !exists(&replica.path("dump.rdb")));

    // What is saved for its own sake stays, and so does everything where there are save points.
    master.ok(&["SAVE"]);
    replica.ok(&["SAVE"]);
    let keeps = Server::tandem()
        .args(&["--save", "3600 1000", "--rdb-del-sync-files", "yes"])
        .follow(&master)
        .start();
    master.ok(&["CONFIG SET save '3600 1000'"]);
    keeps.assert_same_data_as(&master);
    let ticks = |server: &Server| server.count("total_commands_processed");
    let before = ticks(&master);
    wait("some time has gone by", || ticks(&master) > before + 50);
    for server in [&master, &replica, &keeps] {
        assert!(exists(&server.path("dump.rdb")));
    }
}

fn loading(port: u16) -> Option<std::collections::BTreeMap<String, String>> {
    Client::try_connect(port).ok().map(|mut client| client.info("persistence"))
}

#[test]
fn a_start_shows_how_far_it_is() {
    let mut server = Server::tandem().unsaved().start();
    let mut client = server.client();
    for number in 0..300 {
        assert_eq!(client.run(&format!("SET key:{number} {}", "x".repeat(300))), "OK");
    }
    server.ok(&["CONFIG SET rdbcompression no", "SAVE"]);
    server.kill();
    let (port, len) = (server.port(), dump(&server).len());
    std::thread::scope(|scope| {
        // It answers only once it has loaded.
        scope.spawn(|| server.start_again_with(&["--key-load-delay", "3000"]));
        let number = |info: &std::collections::BTreeMap<String, String>, field: &str| -> f64 {
            info.get(field).unwrap_or_else(|| panic!("no {field} in {info:?}")).parse().expect("a number")
        };
        let seen = |least: f64| {
            wait_some("a load that has come so far", || {
                loading(port)
                    .filter(|info| info["loading"] == "1" && number(info, "loading_loaded_bytes") > least)
            })
        };
        let early = seen(0.0);
        assert_eq!(number(&early, "loading_total_bytes"), len as f64);
        assert!(number(&early, "loading_rdb_used_mem") > 100_000.0, "{early:?}");
        assert_eq!(early["async_loading"], "0");
        let later = seen(number(&early, "loading_loaded_bytes"));
        assert!(number(&later, "loading_loaded_perc") > number(&early, "loading_loaded_perc"), "{later:?}");
        assert!(number(&later, "loading_eta_seconds") >= 0.0 && later.contains_key("loading_start_time"));
    });
    let info = server.client().info("persistence");
    assert_eq!((info["loading"].as_str(), info["rdb_last_load_keys_loaded"].as_str()), ("0", "300"));
    assert!(!info.contains_key("loading_loaded_bytes"), "{info:?}");
    let log = server.log();
    assert!(!log.contains("Loading:") && !log.contains('\x1b'), "nobody watches: {log}");
}

#[test]
fn a_full_synchronisation_shows_how_far_it_is() {
    let master = Server::tandem().unsaved().start();
    let mut client = master.client();
    for number in 0..300 {
        assert_eq!(client.run(&format!("SET key:{number} {}", "x".repeat(300))), "OK");
    }
    let replica = Server::tandem().unsaved().args(&["--key-load-delay", "3000"]).follow(&master).start();
    wait("a load is under way", || {
        let info = replica.client().info("persistence");
        let loaded = info.get("loading_loaded_bytes").map_or(0, |bytes| bytes.parse::<u64>().unwrap());
        info["loading"] == "0" && info["async_loading"] == "1" && loaded > 0
    });
    replica.assert_same_data_as(&master);
    assert_eq!(replica.info("async_loading"), "0");
}

#[test]
fn a_large_dataset_comes_back_as_it_was() {
    let mut server = Server::tandem().unsaved().args(&["--enable-debug-command", "local"]).start();
    server.ok(&["DEBUG POPULATE 150000 key 40", "SET lasts forever PXAT 99999999999999"]);
    let mut client = server.client();
    assert_eq!(client.run("HSET hash field value"), "1");
    let digest = client.run("DEBUG DIGEST");
    assert_eq!(client.run("SAVE"), "OK");
    server.kill();
    server.start_again();
    assert_eq!(server.run("DEBUG DIGEST"), digest);
    assert_eq!(server.info("rdb_last_load_keys_loaded"), "150002");
    // One byte of the last key is enough to have it all refused, and nothing served.
    server.kill();
    let mut bytes = dump(&server);
    let at = bytes.len() - 12;
    bytes[at] ^= 1;
    std::fs::write(server.path("dump.rdb"), &bytes).unwrap();
    let refused = Server::tandem().unsaved().args(&["--dir", server.dir().to_str().unwrap()]).fail();
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn saves_and_loads_can_be_slowed_down() {
    let mut server = Server::tandem().unsaved().args(&["--rdb-key-save-delay", "20000"]).start();
    for number in 0..20 {
        server.ok(&[&format!("SET key:{number} value")]);
    }
    assert_eq!(server.run("BGSAVE"), "Background saving started");
    wait("some keys are written, but not all", || {
        (1..20).contains(&server.count("current_save_keys_processed"))
    });
    wait_eq("0", || server.info("rdb_bgsave_in_progress"));
    server.kill();
    let begun = std::time::Instant::now();
    server.start_again_with(&["--key-load-delay", "20000"]);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(400), "{:?}", begun.elapsed());
}
