//! Scripts, functions and messages of the clients.

use super::check::half_of_pair;
use super::workload::words;
use super::world::World;

const PAIRS: usize = 4;

/// Writes both halves of a pair.
const PAIR: &str = "redis.call('incr', KEYS[1]) redis.call('incr', KEYS[2])";

/// What the other scripts do, some of it up to an error. KEYS are a string, a set, a list and a sorted set.
const BODIES: [&str; 12] = [
    "return redis.call('set', KEYS[1], ARGV[1])",
    "redis.call('set', KEYS[1], ARGV[1], 'px', 5000) redis.call('incrbyfloat', 'counter:0', 0.5)",
    "redis.call('sadd', KEYS[2], ARGV[1], 'x', 'y') return redis.call('spop', KEYS[2], 2)",
    "local t = redis.call('time') redis.call('rpush', KEYS[3], t[1], t[2], math.random())",
    "redis.call('zadd', KEYS[4], math.random(), ARGV[1]) redis.call('zpopmin', KEYS[4])",
    "redis.call('expire', KEYS[3], 2) redis.call('pexpire', KEYS[2], 100)",
    "for i = 1, 30 do redis.call('append', KEYS[1], ARGV[1]) end",
    "redis.call('set', KEYS[1], 'text') redis.call('incr', KEYS[1]) redis.call('set', KEYS[1], 'never')",
    "redis.call('select', 2) redis.call('incr', 'counter:1') redis.call('publish', 'news', ARGV[1])",
    "redis.call('publish', 'news', ARGV[1]) redis.call('spublish', 'news', ARGV[1])",
    "redis.pcall('lpop', KEYS[1]) redis.pcall('lpop', KEYS[3]) return redis.pcall('get', KEYS[1])",
    "if redis.call('exists', KEYS[1]) == 1 then return redis.call('del', KEYS[1]) end",
];

impl World {
    pub fn script_request(&mut self) -> Vec<String> {
        let pair = self.rng.usize(..PAIRS);
        let (a, b) = (half_of_pair(pair, 'a'), half_of_pair(pair, 'b'));
        let keys = ["key", "set", "list", "zset"].map(|kind| self.key(kind));
        let [string, set, list, zset] = &keys;
        let element = self.element();
        let body = BODIES[self.rng.usize(..BODIES.len())];
        let library = self.rng.u8(..3);
        let code = format!(
            "#!lua name=lib{library}\n\
             redis.register_function('pair{library}', function(KEYS) {PAIR} end)\n\
             redis.register_function('f{library}', function(KEYS, ARGV) {body} end)"
        );
        let (name, function, pairs) =
            (format!("lib{library}"), format!("f{library}"), format!("pair{library}"));
        let half_way = format!("{PAIR} error('half way')");
        words(&match self.rng.u8(..32) {
            0..=5 => vec!["EVAL", PAIR, "2", &a, &b],
            6 => vec!["EVAL", &half_way, "2", &a, &b],
            7..=10 => vec!["FCALL", &pairs, "2", &a, &b],
            11 => vec!["EVAL", "return redis.call('del', unpack(KEYS))", "2", &a, &b],
            12..=19 => vec!["EVAL", body, "4", string, set, list, zset, &element],
            20..=22 => vec!["FCALL", &function, "4", string, set, list, zset, &element],
            23..=25 => vec!["FUNCTION", "LOAD", "REPLACE", &code],
            26 => vec!["FUNCTION", "DELETE", &name],
            27 => match self.rng.u8(..6) {
                0 => vec!["FUNCTION", "FLUSH"],
                1 => vec!["SCRIPT", "FLUSH"],
                _ => vec!["SCRIPT", "LOAD", body],
            },
            28..=29 => vec!["PUBLISH", "news", &element],
            30 => vec!["SPUBLISH", "news", &element],
            _ => vec!["EVAL_RO", "return redis.call('get', KEYS[1])", "1", string],
        })
    }
}
