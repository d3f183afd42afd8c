//! A master under scripts, functions, eviction and expiry at once, and who follows it: real servers, and ours.

use std::collections::BTreeMap;
use std::path::Path;

use harness::client::{Client, show};
use harness::peers;
use harness::process::Server;
use harness::wait::wait_eq;
use resp::Value;

/// What a script may consist of. `N` is a small number, `T` a time in milliseconds, `V` a value. Keys whose names begin with `brief`
/// are the only ones that expire while somebody looks.
const STATEMENTS: &[&str] = &[
    "redis.call('set', 'str:N', 'V')",
    "redis.call('append', 'str:N', 'V')",
    "redis.call('set', 'fill:' .. math.random(100000), string.rep('V', 20))",
    "for i = 1, 20 do redis.call('set', 'fill:' .. math.random(100000), string.rep('x', i * 20)) end",
    "redis.call('psetex', 'brief:N', T, 'V')",
    "redis.call('set', 'brief:N', 'V', 'px', T)",
    "redis.call('incr', 'brief:N') redis.call('pexpire', 'brief:N', T)",
    "redis.call('pexpire', 'str:N', 1000000 + T)",
    "redis.call('persist', 'str:N')",
    "redis.call('expire', 'list:N', -1)",
    "redis.call('get', 'brief:N') redis.call('incr', 'reads')",
    "redis.call('incrbyfloat', 'float:N', math.random())",
    "redis.call('hincrbyfloat', 'hash:N', 'f', '0.1')",
    "redis.call('hset', 'hash:N', 'f' .. math.random(30), 'V')",
    "redis.call('hdel', 'hash:N', 'f' .. math.random(30))",
    "redis.call('sadd', 'set:N', 'V', math.random(50), math.random(50))",
    "redis.call('spop', 'set:N')",
    "redis.call('spop', 'set:N', 3)",
    "redis.call('set', 'member:N', redis.call('srandmember', 'set:N') or 'none')",
    "local t = redis.call('time') redis.call('set', 'time:N', t[1] .. '.' .. t[2])",
    "redis.call('set', 'random', redis.call('randomkey') or '')",
    "redis.call('rpush', 'list:N', 'V', math.random())",
    "redis.call('lpop', 'list:N')",
    "redis.call('lmpop', 2, 'list:N', 'list:1', 'left', 'count', 2)",
    "redis.call('blmove', 'list:N', 'list:2', 'left', 'right', 0)",
    "redis.call('zadd', 'zset:N', math.random(), 'V', math.random(99), 'm' .. math.random(40))",
    "redis.call('zpopmin', 'zset:N', 2)",
    "redis.call('zincrby', 'zset:N', '0.1', 'V')",
    "redis.call('xadd', 'stream:N', 'maxlen', '~', 100, '*', 'f', 'V')",
    "redis.call('xtrim', 'stream:N', 'maxlen', 20)",
    "redis.call('setbit', 'bits:N', math.random(5000), 1)",
    "redis.call('pfadd', 'log:N', 'V')",
    "redis.call('copy', 'str:N', 'str:0', 'replace')",
    "redis.call('del', 'str:N', 'list:N')",
    "redis.call('publish', 'channel', 'V')",
    "redis.call('select', 3)",
    "pcall(redis.call, 'lpush', 'str:N', 'wrong')",
    "redis.pcall('incr', 'random')",
    "if math.random(6) == 1 then error('half way') end",
];

struct Load {
    client: Client,
    rng: fastrand::Rng,
    waiting: usize,
}

impl Load {
    fn body(&mut self) -> String {
        let statements: Vec<String> = (0..self.rng.usize(1..6))
            .map(|_| {
                let statement = STATEMENTS[self.rng.usize(..STATEMENTS.len())];
                // Whole words only: `N` and `T` stand behind a colon, a space or a bracket.
                statement
                    .replace(":N", &format!(":{}", self.rng.u8(..5)))
                    .replace(" T", &format!(" {}", self.rng.u16(1..1500)))
                    .replace('V', &format!("v{}", self.rng.u8(..60)))
            })
            .collect();
        statements.join(" ")
    }

    fn send(&mut self, words: &[&str]) {
        self.client.send(words);
        self.waiting += 1;
    }

    fn step(&mut self) {
        let body = self.body();
        let library = self.rng.u8(..4);
        let name = format!("lib{library}");
        match self.rng.u8(..40) {
            0..=19 => self.send(&["EVAL", &body, "0"]),
            20..=23 => {
                self.send(&["MULTI"]);
                self.send(&["EVAL", &body, "0"]);
                self.send(&["FCALL", &format!("f{library}"), "1", "str:1", "a"]);
                self.send(&["INCR", "counter"]);
                self.send(&["EXEC"]);
            }
            24..=31 => self.send(&["FCALL", &format!("f{library}"), "1", "str:2", "b"]),
            32..=34 => {
                let code = format!(
                    "#!lua name={name}\nredis.register_function('f{library}', function(keys, args)\n{body}\nend)"
                );
                self.send(&["FUNCTION", "LOAD", "REPLACE", &code]);
            }
            35 => self.send(&["FUNCTION", "DELETE", &name]),
            36 if self.rng.u8(..8) == 0 => self.send(&["FUNCTION", "FLUSH"]),
            37 => self.restore(),
            38 => self.send(&["SCRIPT", "LOAD", &body]),
            39 if self.rng.u8(..8) == 0 => self.send(&["SCRIPT", "FLUSH"]),
            _ => {
                let db = if self.rng.u8(..6) == 0 { "1" } else { "0" };
                self.send(&["SELECT", db]);
            }
        }
    }

    /// Takes a payload of all libraries and restores it in one of the ways that there are.
    fn restore(&mut self) {
        self.drain();
        let payload = self.client.call(&["FUNCTION", "DUMP"]).as_bytes().expect("a payload").to_vec();
        let policy: &[u8] = [&b"FLUSH"[..], b"REPLACE", b"APPEND"][self.rng.usize(..3)];
        self.client.call(&[&b"FUNCTION"[..], b"RESTORE", &payload, policy]);
    }

    fn drain(&mut self) {
        for _ in 0..std::mem::take(&mut self.waiting) {
            self.client.receive();
        }
    }
}

/// Each library's text, by its name.
fn libraries(server: &Server) -> BTreeMap<String, String> {
    let Value::Array(libraries) = server.client().call(&["FUNCTION", "LIST", "WITHCODE"]) else {
        panic!("an array")
    };
    let field = |library: &[resp::OwnedReply], name: &str| {
        let at = library.iter().position(|item| show(item) == name).expect("the field is there");
        show(&library[at + 1])
    };
    libraries
        .iter()
        .map(|library| {
            let Value::Array(library) = library else { panic!("an array") };
            (field(library, "library_name"), field(library, "library_code"))
        })
        .collect()
}

fn follows(replica: &Server, seed: u64) {
    let master = Server::tandem().unsaved().args(&["--maxmemory-policy", "allkeys-lru"]).start();
    let limit = master.count("used_memory") + (1 << 20);
    master.ok(&[&format!("CONFIG SET maxmemory {limit}")]);
    let mut load = Load { client: master.client(), rng: fastrand::Rng::with_seed(seed), waiting: 0 };
    let mut run = |steps: usize| {
        for step in 0..steps {
            load.step();
            if step % 20 == 19 {
                load.drain();
            }
        }
        load.drain();
    };
    // Some of it is in the snapshot.
    run(1000);
    replica.replicate(&master);
    replica.wait_for_link();
    run(steps());
    // Looking must not change anything: what is to expire soon has to be gone, and nothing may be evicted any more.
    master.ok(&["CONFIG SET maxmemory 0"]);
    for db in [0, 1, 3] {
        let mut client = master.client();
        client.run(&format!("SELECT {db}"));
        wait_eq("[]", || client.run("KEYS brief:*"));
    }
    assert!(master.count("evicted_keys") > 500, "{} keys were evicted", master.count("evicted_keys"));
    assert!(master.count("expired_keys") > 20, "{} keys have expired", master.count("expired_keys"));
    replica.wait_for_offset_of(&master);
    replica.assert_same_data_as(&master);
    let here = libraries(&master);
    assert_eq!(libraries(replica), here);
    // They can be called there, too.
    assert_eq!(show(&master.client().call(&["FUNCTION", "LOAD", "REPLACE", PROBE])), "probe");
    replica.wait_for_offset_of(&master);
    assert_eq!(replica.run("FCALL_RO probe 0"), "here");
}

const PROBE: &str = "#!lua name=probe\nredis.register_function{function_name='probe', callback=function() return 'here' end, flags={'no-writes'}}";

fn steps() -> usize {
    std::env::var("MIXED_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(6000)
}

fn peer_follows(peer: &Path) {
    for seed in [1, 2] {
        follows(&Server::peer(peer).unsaved().start(), seed);
    }
}

#[test]
fn a_redis_follows() {
    match peers::redis_server() {
        Some(peer) => peer_follows(&peer),
        None => peers::skipped("redis-server"),
    }
}

#[test]
fn a_redis_8_follows() {
    let Some(peer) = peers::redis8_server() else { return };
    peer_follows(&peer);
}

#[test]
fn a_valkey_follows() {
    let Some(peer) = peers::valkey_server() else { return };
    peer_follows(&peer);
}

#[test]
fn ours_follows() {
    follows(&Server::tandem().unsaved().start(), 3);
}
