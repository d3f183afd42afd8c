//! What the log is for: a replica that applies the effects holds what the master holds.

use proptest::prelude::*;
use resp::OwnedArgs;

use super::differential::Generator;
use super::{START_MS, Tester};

/// Runs random requests with a moving clock on a master, replays its log on a replica whose clock differs,
/// and compares them.
fn replicate(seed: u64, requests: usize) {
    let mut generator = Generator {
        rng: fastrand::Rng::with_seed(seed),
        short_expiries: true,
        chance: true,
        now_ms: START_MS,
    };
    let mut master = Tester::new();
    let mut replica = Tester::replica();
    replica.env.set_now_ms(START_MS + 5_000_000);
    for _ in 0..requests {
        let now_ms = generator.now_ms + generator.rng.u64(0..100);
        generator.now_ms = now_ms;
        master.env.set_now_ms(now_ms);
        let request = generator.request();
        let from = master.execute(&request).1;
        let effects = master.log.split_off(from);
        for effect in &effects {
            let reply = replica.execute(effect).0;
            assert!(!reply.starts_with(b"-"), "seed {seed}: {effect:?}: {}", reply.escape_ascii());
        }
        assert_eq!(master.contents(), replica.contents(), "seed {seed}: {request:?} as {effects:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_replica_holds_what_its_master_holds(seed: u64) {
        replicate(seed, 400);
    }
}

/// One operation of the model below.
#[derive(Clone, Debug)]
enum Step {
    Set(u8, Vec<u8>, Option<u64>),
    Get(u8),
    Append(u8, Vec<u8>),
    SetRange(u8, usize, Vec<u8>),
    GetRange(u8, i64, i64),
    IncrBy(u8, i64),
    Del(u8),
    Persist(u8),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..4;
    let value = || {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            any::<i32>().prop_map(|n| n.to_string().into_bytes())
        ]
    };
    prop_oneof![
        (key.clone(), value(), proptest::option::of(1u64..300))
            .prop_map(|(key, value, ttl)| Step::Set(key, value, ttl)),
        key.clone().prop_map(Step::Get),
        (key.clone(), value()).prop_map(|(key, value)| Step::Append(key, value)),
        (key.clone(), 0usize..80, value()).prop_map(|(key, at, value)| Step::SetRange(key, at, value)),
        (key.clone(), -70i64..70, -70i64..70).prop_map(|(key, start, end)| Step::GetRange(key, start, end)),
        (key.clone(), any::<i64>()).prop_map(|(key, by)| Step::IncrBy(key, by)),
        key.clone().prop_map(Step::Del),
        key.prop_map(Step::Persist),
        (0u64..200).prop_map(Step::Advance),
    ]
}

/// The plainest thing that could be right: a map of values and moments.
#[derive(Default)]
struct Model {
    keys: std::collections::BTreeMap<u8, (Vec<u8>, Option<u64>)>,
    now_ms: u64,
}

impl Model {
    fn expire(&mut self) {
        let now_ms = self.now_ms;
        self.keys.retain(|_, (_, at)| at.is_none_or(|at| at >= now_ms));
    }

    fn apply(&mut self, step: &Step) -> String {
        self.expire();
        let bulk = |value: &[u8]| format!("${}\r\n{}\r\n", value.len(), value.escape_ascii());
        match step {
            Step::Set(key, value, ttl) => {
                self.keys.insert(*key, (value.clone(), ttl.map(|ttl| self.now_ms + ttl)));
                "+OK\r\n".into()
            }
            Step::Get(key) => self.keys.get(key).map_or("$-1\r\n".into(), |(value, _)| bulk(value)),
            Step::Append(key, more) => {
                let (value, _) = self.keys.entry(*key).or_default();
                value.extend(more);
                format!(":{}\r\n", value.len())
            }
            Step::SetRange(key, at, new) => {
                if new.is_empty() {
                    return format!(":{}\r\n", self.keys.get(key).map_or(0, |(value, _)| value.len()));
                }
                let (value, _) = self.keys.entry(*key).or_default();
                value.resize(value.len().max(at + new.len()), 0);
                value[*at..at + new.len()].copy_from_slice(new);
                format!(":{}\r\n", value.len())
            }
            Step::GetRange(key, start, end) => {
                let empty = Vec::new();
                let value = self.keys.get(key).map_or(&empty, |(value, _)| value);
                let len = value.len() as i64;
                let place = |at: i64| if at < 0 { (at + len).max(0) } else { at };
                let wrong_way = *start < 0 && *end < 0 && start > end;
                let part: Vec<u8> = (0..len)
                    .filter(|at| !wrong_way && place(*start) <= *at && *at <= place(*end))
                    .map(|at| value[at as usize])
                    .collect();
                bulk(&part)
            }
            Step::IncrBy(key, by) => {
                let (value, _) = self.keys.entry(*key).or_insert((b"0".to_vec(), None));
                let text = String::from_utf8_lossy(value).into_owned();
                let Some(old) = text.parse::<i64>().ok().filter(|old| old.to_string() == text) else {
                    return "-ERR value is not an integer or out of range\r\n".into();
                };
                match old.checked_add(*by) {
                    None => "-ERR increment or decrement would overflow\r\n".into(),
                    Some(new) => {
                        *value = new.to_string().into_bytes();
                        format!(":{new}\r\n")
                    }
                }
            }
            Step::Del(key) => format!(":{}\r\n", u8::from(self.keys.remove(key).is_some())),
            Step::Persist(key) => {
                let had = self.keys.get_mut(key).and_then(|(_, at)| at.take()).is_some();
                format!(":{}\r\n", u8::from(had))
            }
            Step::Advance(ms) => {
                self.now_ms += ms;
                String::new()
            }
        }
    }
}

fn request(step: &Step) -> Option<OwnedArgs> {
    let key = |key: &u8| vec![b'k', *key];
    let number = |value: &dyn ToString| value.to_string().into_bytes();
    let words: Vec<Vec<u8>> = match step {
        Step::Set(k, value, None) => vec![b"SET".into(), key(k), value.clone()],
        Step::Set(k, value, Some(ttl)) => {
            vec![b"SET".into(), key(k), value.clone(), b"PX".into(), number(ttl)]
        }
        Step::Get(k) => vec![b"GET".into(), key(k)],
        Step::Append(k, value) => vec![b"APPEND".into(), key(k), value.clone()],
        Step::SetRange(k, at, value) => vec![b"SETRANGE".into(), key(k), number(at), value.clone()],
        Step::GetRange(k, start, end) => vec![b"GETRANGE".into(), key(k), number(start), number(end)],
        Step::IncrBy(k, by) => vec![b"INCRBY".into(), key(k), number(by)],
        Step::Del(k) => vec![b"DEL".into(), key(k)],
        Step::Persist(k) => vec![b"PERSIST".into(), key(k)],
        Step::Advance(_) => return None,
    };
    Some(OwnedArgs::from_slices(&words.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn strings_behave_like_a_map(steps in proptest::collection::vec(step(), 1..200)) {
        let mut tester = Tester::new();
        let mut model = Model { now_ms: START_MS, ..Model::default() };
        for step in &steps {
            let expected = model.apply(step);
            match request(step) {
                None => tester.env.set_now_ms(model.now_ms),
                Some(request) => {
                    let reply = tester.execute(&request).0;
                    let shown = reply.escape_ascii().to_string().replace("\\r\\n", "\r\n");
                    // Line breaks inside a value are escaped in the expectation as well.
                    prop_assert_eq!(shown, expected.replace("\\r\\n", "\r\n"), "{:?}", step);
                }
            }
        }
        model.expire();
        let alive: Vec<_> = tester
            .contents()
            .into_iter()
            .filter(|(_, _, _, at)| at.is_none_or(|at| at >= model.now_ms))
            .map(|(_, key, value, at)| (key[1], (value, at)))
            .collect();
        prop_assert_eq!(alive, model.keys.into_iter().collect::<Vec<_>>());
    }
}
