//! The table against that of a real server.

use std::collections::{BTreeMap, BTreeSet};

use resp::{OwnedArgs, Reply, ReplyLimits, Value};

use super::Tester;
use super::differential::RealServer;
use crate::Registry;

/// Rows that are newer than the server that the test compares with, or follow a newer one.
const NEWER: &[&str] = &[
    "acl|deluser",
    "acl|save",
    "acl|setuser",
    "blmove",
    "blpop",
    "brpop",
    "brpoplpush",
    "bzpopmax",
    "bzpopmin",
    "client|capa",
    "client|import-source",
    "client|no-touch",
    "client|setinfo",
    "cluster|cancelslotmigrations",
    "cluster|flushslot",
    "cluster|getslotmigrations",
    "cluster|migrateslots",
    "cluster|myshardid",
    "cluster|shards",
    "cluster|slot-stats",
    "cluster|slots",
    "commandlog",
    "commandlog|get",
    "commandlog|help",
    "commandlog|len",
    "commandlog|reset",
    "command|getkeys",
    "command|getkeysandflags",
    "delifeq",
    "georadius",
    "georadiusbymember",
    "hexpire",
    "hexpireat",
    "hexpiretime",
    "hgetdel",
    "hgetex",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hsetex",
    "httl",
    "memory|malloc-stats",
    "memory|purge",
    "migrate",
    "msetex",
    "multi",
    "pfcount",
    "replication",
    "replication|guard",
    "replication|help",
    "replication|lineage",
    "replication|why",
    "script|debug",
    "script|exists",
    "script|flush",
    "script|load",
    "script|show",
    "sinterstore",
    "waitaof",
    "watch",
    "zrank",
    "zrevrank",
];

/// What COMMAND INFO says of a command, the order of sets taken out.
fn describe<'a>(reply: &Reply<'a>, all: &mut BTreeMap<String, String>) {
    let Some(items) = reply.as_slice() else { return };
    let name = String::from_utf8_lossy(items[0].as_bytes().unwrap_or_default()).into_owned();
    let mut text = String::new();
    for item in &items[1..9] {
        let parts: BTreeSet<String> = match item.as_slice() {
            Some(parts) => parts.iter().map(normal).collect(),
            None => BTreeSet::from([normal(item)]),
        };
        text.push_str(&format!("{parts:?} "));
    }
    all.insert(name, text);
    for sub in items[9].as_slice().unwrap_or_default() {
        describe(sub, all);
    }
}

/// A reply without the difference between simple and bulk strings.
fn normal(reply: &Reply<'_>) -> String {
    match reply {
        Value::Int(value) => value.to_string(),
        other => match (other.as_bytes(), other.as_slice()) {
            (Some(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
            (_, Some(items)) => format!("[{}]", items.iter().map(normal).collect::<Vec<_>>().join(" ")),
            _ => "?".into(),
        },
    }
}

#[test]
fn rows_agree_with_redis() {
    let Some(mut real) = RealServer::start("table") else { return };
    let names: Vec<&str> = Registry::new().iter().map(|spec| spec.name).collect();
    let mut words: Vec<&[u8]> = vec![b"COMMAND", b"INFO"];
    words.extend(names.iter().map(|name| name.as_bytes()));
    let request = OwnedArgs::from_slices(&words);
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    for (bytes, all) in
        [(Tester::new().execute(&request).0, &mut ours), (real.execute(&request), &mut theirs)]
    {
        let (reply, _) =
            resp::parse_reply(&bytes, &ReplyLimits::default()).expect("a reply").expect("a whole one");
        for one in reply.as_slice().expect("an array") {
            describe(one, all);
        }
    }
    assert!(theirs.len() > 90, "{} rows compared", theirs.len());
    let differing: Vec<String> = theirs
        .iter()
        .filter(|(name, theirs)| !NEWER.contains(&name.as_str()) && ours.get(*name) != Some(theirs))
        .map(|(name, theirs)| {
            format!("{name}\n  ours: {}\ntheirs: {theirs}", ours.get(name).map_or("", String::as_str))
        })
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    let unknown: Vec<&String> =
        ours.keys().filter(|name| !theirs.contains_key(*name) && !NEWER.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
