//! Requests out of the peers' own descriptions of their commands, held against what the peers say, and the data that come of them against
//! what arrives at the other end of a replication.

use std::time::{SystemTime, UNIX_EPOCH};

use harness::client::{Client, show};
use harness::grammar::{Command, Request, Requests, commands, normal};
use harness::peers;
use harness::process::Server;

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}

/// A Valkey 9 and a Redis 8.
fn both_peers() -> Option<[Server; 2]> {
    let programs = [peers::valkey_server()?, peers::redis8_server()?];
    Some(programs.map(|program| {
        Server::peer(&program).args(&["--save", "", "--repl-diskless-sync-delay", "0"]).start()
    }))
}

/// What two of them know, and Tandem.
fn known(tandem: &mut Client, peer: &mut Client) -> Vec<Command> {
    let ours = show(&tandem.call(&["COMMAND", "LIST"]));
    let ours: Vec<&str> = ours.trim_matches(['[', ']']).split(' ').collect();
    let mut commands = commands(peer);
    commands.retain(|command| ours.contains(&command.name.split('|').next().unwrap_or_default()));
    commands
}

/// Numbers that the clock has a part in.
fn about_equal(command: &str, one: &str, other: &str) -> bool {
    const CLOCKS: [&str; 10] = [
        "ttl",
        "pttl",
        "httl",
        "hpttl",
        "expiretime",
        "pexpiretime",
        "hexpiretime",
        "hpexpiretime",
        "xpending",
        "xinfo|consumers",
    ];
    let numbers = |text: &str| -> Vec<Result<f64, String>> {
        let words = text.split([' ', '[', ']']).filter(|word| !word.is_empty());
        words.map(|word| word.parse().map_err(|_| word.to_owned())).collect()
    };
    let (one, other) = (numbers(one), numbers(other));
    CLOCKS.contains(&command)
        && one.len() == other.len()
        && one.iter().zip(&other).all(|pair| match pair {
            // Fields expire in the year 4199 at the latest.
            (Ok(one), Ok(other)) => (one - other).abs() < 5_000.0 || *one >= 70_368_744_000.0 && one < other,
            (one, other) => one == other,
        })
}

/// Every reply is what Valkey 9 or Redis 8 says to the same request.
#[test]
fn replies_are_those_of_one_peer_or_the_other() {
    let Some(servers) = both_peers() else { return };
    let tandem = Server::tandem().unsaved().start();
    let mut client = tandem.client();
    let mut theirs = [servers[0].client(), servers[1].client()];
    let rounds = std::env::var("GRAMMAR_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40_u64);
    let mut answered = 0;
    for seed in 0..rounds {
        let of = (seed % 2) as usize;
        let known = known(&mut client, &mut theirs[of]);
        assert!(known.len() > 150, "{} commands", known.len());
        let mut requests = Requests::new(known, seed, now_s());
        let mut before: Vec<String> = Vec::new();
        for _ in 0..100 {
            let Request { name, words, is_spoiled } = requests.make();
            let ours = client.call(&words);
            let [valkey, redis] = theirs.each_mut().map(|client| client.call(&words));
            let texts = [&ours, &valkey, &redis].map(|reply| normal(&name, reply));
            let text = words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
            // Of two things that are wrong, everybody may complain about another one.
            let both_complain =
                |other: &str| is_spoiled && texts[0].starts_with('-') && other.starts_with('-');
            let same = |other: &str| {
                texts[0] == other || about_equal(&name, &texts[0], other) || both_complain(other)
            };
            assert!(
                same(&texts[1]) || same(&texts[2]),
                "seed {seed}: {text}\n{}\nValkey: {}\nRedis: {}\nbefore: {before:#?}",
                texts[0],
                texts[1],
                texts[2]
            );
            answered += u64::from(!texts[0].starts_with('-'));
            before.push(text);
            if texts[1] != texts[2] && !about_equal(&name, &texts[1], &texts[2]) {
                // From here on the two of them hold different data.
                break;
            }
        }
        client.call(&["FLUSHALL"]);
        theirs.each_mut().into_iter().for_each(|client| _ = client.call(&["FLUSHALL"]));
    }
    assert!(answered > rounds * 5, "{answered} requests were carried out");
}

/// Fills a server with something of everything, small and large.
fn fill(client: &mut Client, requests: &mut Requests, round: u64) {
    for _ in 0..150 {
        client.call(&requests.make().words);
    }
    if round.is_multiple_of(3) {
        for number in 0..200 {
            let (number, member) = (number.to_string(), format!("member:{number}"));
            client.call(&["HSET", "large-hash", &member, &number]);
            client.call(&["SADD", "large-set", &member, &number]);
            client.call(&["ZADD", "large-zset", &number, &member]);
            client.call(&["RPUSH", "large-list", &member]);
            client.call(&["XADD", "large-stream", &format!("{number}-1"), "field", &member]);
        }
        client.call(&["HEXPIRE", "large-hash", "100000", "FIELDS", "1", "member:1"]);
    }
}

/// Whether each field of each hash expires. The moment may differ, by the last one that Tandem knows.
fn expiring_fields(client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    for key in client.call(&["KEYS", "*"]).as_slice().expect("an array") {
        let key = key.as_bytes().expect("a key").to_vec();
        if show(&client.call(&[b"TYPE".as_slice(), &key])) != "hash" {
            continue;
        }
        for field in client.call(&[b"HKEYS".as_slice(), &key]).as_slice().expect("an array") {
            let field = field.as_bytes().expect("a field").to_vec();
            let at = client.call(&[b"HPEXPIRETIME".as_slice(), &key, b"FIELDS", b"1", &field]);
            let expires = show(&at) != "[-1]";
            all.push(format!("{} {} {expires}", key.escape_ascii(), field.escape_ascii()));
        }
    }
    all.sort();
    all
}

/// Whatever clients have made of the data, by snapshot and by stream.
#[test]
fn any_data_reach_any_peer_and_come_from_it() {
    let Some(servers) = both_peers() else { return };
    let tandem = Server::tandem().unsaved().args(&["--repl-diskless-sync-delay", "0"]).start();
    let rounds = std::env::var("GRAMMAR_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_u64);
    for (number, peer) in servers.iter().enumerate() {
        for (turn, (master, replica)) in [(&tandem, peer), (peer, &tandem)].into_iter().enumerate() {
            let mut client = master.client();
            let mut known = known(&mut tandem.client(), &mut peer.client());
            // LSET takes a number that does not fit its own for 0 there, XAUTOCLAIM makes consumers that replicas do not hear of, and
            // how far groups have read is counted in other ways.
            let leaves_out = ["lset", "xautoclaim", "xsetid", "xgroup|create", "xgroup|setid"];
            known.retain(|command| !leaves_out.contains(&command.name.as_str()));
            for round in 0..rounds {
                replica.ok(&["REPLICAOF NO ONE"]);
                client.call(&["FLUSHALL"]);
                client.call(&["XGROUP", "CREATE", "x0", "g1", "0", "MKSTREAM"]);
                let seed = 1000 * number as u64 + 100 * turn as u64 + round;
                let mut requests = Requests::new(known.clone(), seed, now_s());
                fill(&mut client, &mut requests, round);
                replica.replicate(master);
                replica.assert_same_data_as(master);
                fill(&mut client, &mut requests, 1);
                replica.assert_same_data_as(master);
                let fields = [master, replica].map(|server| expiring_fields(&mut server.client()));
                assert_eq!(fields[0], fields[1], "seed {seed}");
            }
            replica.ok(&["REPLICAOF NO ONE"]);
        }
    }
}
