use proptest::prelude::*;

use super::*;
use crate::{Access, Flavor, Shape, Value, WriteOptions, Writer};

mod collections;
mod elements;

/// What a stream holds, as text: one line an event, then the end or the error.
fn describe(reader: &mut Reader, chunks: &[&[u8]]) -> String {
    let mut lines = String::new();
    for chunk in chunks {
        reader.feed(chunk);
        loop {
            match reader.next() {
                Ok(Some(event)) => lines.push_str(&line(&event)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(reader.next(), Err(error), "an error is final");
                    assert_eq!(reader.close(), Err(error));
                    return lines + &format!("{error}\n");
                }
            }
        }
    }
    if let Err(error) = reader.close() {
        lines.push_str(&format!("{error}\n"));
    }
    lines
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Header { version, flavor } => format!("{flavor:?} {version}\n"),
        Event::Aux { key, value } => format!("aux {} = {}\n", key.escape_ascii(), value.escape_ascii()),
        Event::SelectDb(index) => format!("db {index}\n"),
        Event::Resize { keys, expires } => format!("resize {keys} {expires}\n"),
        Event::SlotInfo { slot, keys, expires } => format!("slot {slot} {keys} {expires}\n"),
        Event::Function(code) => format!("function {}\n", code.escape_ascii()),
        Event::SlotImport { job, ranges } => {
            format!("import {} {:?}\n", job.escape_ascii(), ranges.collect::<Vec<_>>())
        }
        Event::KeyMeta { class } => format!("meta {class}\n"),
        Event::ModuleAux { module, when } => format!("module {module} at {when}\n"),
        Event::Module(module) => format!(". {module}\n"),
        Event::ModulePart(part) => format!(". {part:?}\n"),
        Event::EndOfModuleAux => ".\n".to_owned(),
        Event::Entry { key, expiry_ms, idle, freq, value } => {
            let value = match value {
                Value::String(value) => value.escape_ascii().to_string(),
                Value::Compact(compact) => format!("{} {}", compact.kind(), texts(compact.entries())),
            };
            format!("{} = {value}{}\n", key.escape_ascii(), about(*expiry_ms, *idle, *freq))
        }
        Event::Begin { key, expiry_ms, idle, freq, kind, shape, len } => {
            let shape = match shape {
                Shape::ExpiringFields => " with expiries",
                _ => "",
            };
            format!("{} = {kind} of {len}{shape}{}\n", key.escape_ascii(), about(*expiry_ms, *idle, *freq))
        }
        Event::Element(element) => format!(". {}\n", element.escape_ascii()),
        Event::Elements(compact) => format!(". {} {}\n", compact.kind(), texts(compact.entries())),
        Event::Field { field, value, expiry_ms } => {
            format!(
                ". {} = {}{}\n",
                field.escape_ascii(),
                value.escape_ascii(),
                about(*expiry_ms, None, None)
            )
        }
        Event::Member { member, score } => format!(". {} {score}\n", member.escape_ascii()),
        Event::StreamNode(node) => {
            let entries = node.entries().map(|entry| {
                let fields = entry.fields.flat_map(|(field, value)| [field, value]);
                format!("{} {}", entry.id, texts(fields))
            });
            format!(". node {}: {}\n", node.id(), entries.collect::<Vec<_>>().join(", "))
        }
        Event::StreamMeta { meta, groups } => format!(
            ". length {} last {} first {} deleted {} added {} groups {groups}\n",
            meta.length, meta.last_id, meta.first_id, meta.max_deleted_id, meta.entries_added
        ),
        Event::Group { name, last_id, entries_read, pending } => {
            format!(". group {} {last_id} {entries_read:?} of {pending}\n", name.escape_ascii())
        }
        Event::Pending { id, delivered_ms, deliveries } => format!(". . {id} {delivered_ms} {deliveries}\n"),
        Event::Consumer { name, seen_ms, active_ms, pending } => {
            format!(". . consumer {} {seen_ms} {active_ms} of {pending}\n", name.escape_ascii())
        }
        Event::ConsumerPending(id) => format!(". . . {id}\n"),
        Event::Consumers(count) => format!(". . {count} consumers\n"),
        Event::Nacks(count) => format!(". . {count} nacks\n"),
        Event::Nack(id) => format!(". . . {id}\n"),
        Event::Idempotence { duration_s, max_entries, producers } => {
            format!(". {duration_s} s, {max_entries} entries, {producers} producers\n")
        }
        Event::Producer { name, entries } => format!(". . {} with {entries}\n", name.escape_ascii()),
        Event::ProducerEntry { name, id } => format!(". . . {} is {id}\n", name.escape_ascii()),
        Event::IdempotenceCounts { added, duplicates } => format!(". {added} added, {duplicates} twice\n"),
        Event::Cursor(cursor) => format!(". cursor {cursor:?}\n"),
        Event::Cell { index, value } => format!(". {index}: {}\n", value.escape_ascii()),
        Event::EndOfKey => ".\n".to_owned(),
        Event::End { checksum: Some(checksum) } => format!("end {checksum:016x}\n"),
        Event::End { checksum: None } => "end\n".to_owned(),
    }
}

fn texts<'a>(entries: impl Iterator<Item = listpack::Entry<'a>>) -> String {
    let texts: Vec<String> = entries.map(|entry| entry.to_vec().escape_ascii().to_string()).collect();
    format!("[{}]", texts.join(" "))
}

fn about(expiry_ms: Option<u64>, idle: Option<u64>, freq: Option<u8>) -> String {
    let numbers = [("at", expiry_ms), ("idle", idle), ("freq", freq.map(u64::from))];
    numbers.map(|(name, number)| number.map_or_else(String::new, |n| format!(" {name} {n}"))).concat()
}

/// A stream of version 10 around `items`, whose writer computed no checksum.
fn stream(items: &[u8]) -> Vec<u8> {
    [b"REDIS0010", items, b"\xff\0\0\0\0\0\0\0\0"].concat()
}

/// `items` inside a stream give `expected`, in one piece and byte by byte.
#[track_caller]
fn check(items: &[u8], expected: &str) {
    check_all(&stream(items), &format!("Redis 10\n{expected}"));
}

#[track_caller]
fn check_all(bytes: &[u8], expected: &str) {
    assert_eq!(describe(&mut Reader::default(), &[bytes]), expected);
    let chunks: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(describe(&mut Reader::default(), &chunks), expected, "byte by byte");
}

#[test]
fn an_empty_stream_with_its_checksum() {
    // What a server without keys and aux fields would write; the checksum is that of the ten bytes before it.
    let mut bytes = b"REDIS0010\xff".to_vec();
    let checksum = checksum::of(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    check_all(&bytes, &format!("Redis 10\nend {checksum:016x}\n"));
}

#[test]
fn entries_and_what_is_said_about_them() {
    check(b"\0\x01a\x01b", "a = b\nend\n");
    check(b"\0\0\0", " = \nend\n");
    check(b"\0\xc0\x07\xc1\xe8\x03", "7 = 1000\nend\n");
    check(b"\0\xc3\x05\x15\0z\xe0\x0b\0\x01b", "zzzzzzzzzzzzzzzzzzzzz = b\nend\n");
    check(b"\xfc\x15\xcd\x5b\x07\0\0\0\0\0\x01a\x01b", "a = b at 123456789\nend\n");
    check(b"\xfd\x15\xcd\x5b\x07\0\x01a\x01b", "a = b at 123456789000\nend\n");
    check(b"\xf8\x40\x50\0\x01a\x01b", "a = b idle 80\nend\n");
    check(b"\xf9\xff\0\x01a\x01b", "a = b freq 255\nend\n");
    // What is said holds for one key only, and all of it may be said.
    let all = b"\xfc\x01\0\0\0\0\0\0\0\xf8\x02\xf9\x03\0\x01a\x01b\0\x01c\x01d";
    check(all, "a = b at 1 idle 2 freq 3\nc = d\nend\n");
    // Instants before 1970 are in the past like zero.
    check(b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff\0\x01a\x01b", "a = b at 0\nend\n");
    check(b"\xfd\0\0\0\x80\0\x01a\x01b", "a = b at 0\nend\n");
}

#[test]
fn everything_that_is_no_entry() {
    check(
        b"\xfa\x09redis-ver\x057.2.4\xfa\x0aredis-bits\xc0\x40",
        "aux redis-ver = 7.2.4\naux redis-bits = 64\nend\n",
    );
    check(b"\xfe\x0f", "db 15\nend\n");
    check(b"\xfe\x80\0\x01\0\0", "db 65536\nend\n");
    check(b"\xfb\x42\xbc\x01", "resize 700 1\nend\n");
    check(b"\xf4\x7f\xff\x02\x01", "slot 16383 2 1\nend\n");
    check(b"\xf5\x03lib", "function lib\nend\n");
}

#[test]
fn slots_of_a_cluster() {
    check(b"\xfa\x09slot-info\x077,2,1,0", "slot 7 2 1\nend\n");
    check(b"\xfa\x09slot-info\x01x", "aux slot-info = x\nend\n");
    let import = b"VALKEY080\xf3\x03job\x02\x00\x05\x07\x7f\xff\xff\0\0\0\0\0\0\0\0";
    check_all(import, "Valkey 80\nimport job [(0, 5), (7, 16383)]\nend\n");
    for ranges in [&b"\x01\x05\x04"[..], b"\x01\x05\x80\0\0\x40\0"] {
        let bytes = [b"VALKEY080\xf3\x03job", ranges].concat();
        check_all(&bytes, "Valkey 80\nthe hash slots at offset 15 are none\n");
    }
    check_all(b"VALKEY080\xf3\x03job\x80\0\0\x40\x01", "Valkey 80\nthe hash slots at offset 14 are none\n");
}

#[test]
fn a_library_of_a_prerelease_gets_the_line_that_says_its_name() {
    check(b"\xf6\x03lib\x03LUA\x00\x04code", "function #!lua name=lib\\ncode\nend\n");
    check(b"\xf6\x03lib\x03LUA\x01\x04text\x04code", "function #!lua name=lib\\ncode\nend\n");
}

/// All kinds of parts of what a module keeps, and how they are reported.
const PARTS: (&[u8], &str) = (
    b"\x01\x2a\x01\x81\xff\xff\xff\xff\xff\xff\xff\xfe\x02\x40\x80\x03\0\0\x80\x3f\x04\0\0\0\0\0\0\0\x40\x05\x03str\x05\xc0\x01\
      \x05\xc3\x02\x01\0a\0",
    ". Signed(42)\n. Signed(-2)\n. Unsigned(128)\n. Float(1.0)\n. Double(2.0)\n. String([115, 116, 114])\n\
     . String([49])\n. String([97])\n.\n",
);

#[test]
fn what_modules_keep() {
    let start = b"\xf7\x81\0\0\0\0\0\0\x04\x05\x02\x01";
    let (parts, lines) = PARTS;
    check(&[start, parts].concat(), &format!("module AAAAAAAAB version 5 at 1\n{lines}end\n"));
    check(
        &[&start[..], b"\x06"].concat(),
        "module AAAAAAAAB version 5 at 1\nmodule data at offset 21 has the unknown part 6\n",
    );
    check(b"\xf7\x01\x01\x01", "module data at offset 11 has the unknown part 1\n");
    let value = [b"\xfc\x01\0\0\0\0\0\0\0\x07\x01k\x81\0\0\0\0\0\0\x04\x05", parts].concat();
    check(
        &[&value[..], b"\0\x01a\x01b"].concat(),
        &format!("k = module of 0 at 1\n. AAAAAAAAB version 5\n{lines}a = b\nend\n"),
    );
}

#[test]
fn metadata_of_a_key_is_passed_over() {
    let (parts, _) = PARTS;
    let items =
        [&b"\xfc\x01\0\0\0\0\0\0\0\xf3\x02\x01\0\0\0"[..], parts, b"\x02\0\0\0", parts, b"\0\x01a\x01b"];
    let bytes = [&b"REDIS0013"[..], &items.concat(), b"\xff\0\0\0\0\0\0\0\0"].concat();
    check_all(&bytes, "Redis 13\nmeta 1\nmeta 2\na = b at 1\nend\n");
    check_all(b"REDIS0013\xf3\0\0\x01a\x01b\xff\0\0\0\0\0\0\0\0", "Redis 13\na = b\nend\n");
}

#[test]
fn what_is_not_read_is_named() {
    check(
        b"\x06\x01a\x00",
        "value type 6 (module, in the form of the first prerelease of Redis 4) at offset 9 is not supported\n",
    );
    check(b"\x1d\x01a\x00", "value type 29 (hash with a template of its own) at offset 9 is not supported\n");
    check(b"\x21\x01a\x00", "value type 33 (rate limiter) at offset 9 is not supported\n");
    check(b"\x22\x01a\x00", "byte 34 at offset 9 is neither an opcode nor a value type\n");
    check(b"\x08", "byte 8 at offset 9 is neither an opcode nor a value type\n");
    check(b"\xf1", "byte 241 at offset 9 is neither an opcode nor a value type\n");
    check_all(
        b"VALKEY080\xf2\xff",
        "Valkey 80\nbyte 242 at offset 9 is neither an opcode nor a value type\n",
    );
    check(
        b"\xf8\x01\xfe\0",
        "expiry or access information for a key is followed by opcode 254 at offset 11\n",
    );
    check(b"\xf8\x01", "expiry or access information for a key is followed by opcode 255 at offset 11\n");
    check(
        b"\xfe\xc0\0",
        "a string encoding (byte 0xc0) stands at offset 10 where a plain length is expected\n",
    );
    check_all(b"HTTP/1.1 200 OK", "not an RDB stream: no known magic word at offset 0\n");
    check_all(b"REDIS0099", "RDB version 99 at offset 5 is not supported\n");
}

#[test]
fn old_versions_end_without_a_checksum() {
    let old = b"REDIS0004\xfe\0\0\x01a\x01b\xff";
    check_all(old, "Redis 4\ndb 0\na = b\nend\n");
    check_all(b"REDIS0005\xff\0\0\0\0\0\0\0\0", "Redis 5\nend\n");
    check_all(b"VALKEY080\xfe\0\0\x01a\x01b\xff\0\0\0\0\0\0\0\0", "Valkey 80\ndb 0\na = b\nend\n");
}

#[test]
fn what_follows_the_stream_is_left_over() {
    let mut bytes = stream(b"\0\x01a\x01b");
    let len = bytes.len();
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    let mut reader = Reader::default();
    describe(&mut reader, &[&bytes]);
    assert!(reader.is_finished());
    assert_eq!(reader.position(), len as u64);
    assert_eq!(reader.leftover(), b"*1\r\n$4\r\nPING\r\n");
    reader.feed(b"more");
    assert_eq!(reader.next(), Ok(None));
    assert_eq!(reader.leftover(), b"*1\r\n$4\r\nPING\r\nmore");
}

#[test]
fn the_checksum_is_compared_only_if_asked_for() {
    let bytes = [&stream(b"\0\x01a\x01b")[..15], &[1, 0, 0, 0, 0, 0, 0, 0]].concat();
    let text = describe(&mut Reader::default(), &[&bytes]);
    assert!(text.contains("checksum at offset 15 is 0000000000000001, the data has"), "{text}");
    let mut reader = Reader::new(ReadOptions { verify_checksum: false, ..ReadOptions::default() });
    assert_eq!(describe(&mut reader, &[&bytes]), "Redis 10\na = b\nend 0000000000000001\n");
}

#[test]
fn strings_beyond_the_limit_are_refused() {
    let options = ReadOptions { max_string: 4, ..ReadOptions::default() };
    let text = describe(&mut Reader::new(options), &[&stream(b"\0\x01a\x05hello")]);
    assert_eq!(text, "Redis 10\nstring of 5 bytes at offset 12 exceeds the limit of 4 bytes\n");
    assert_eq!(
        describe(&mut Reader::new(options), &[&stream(b"\0\x01a\x04hell")]),
        "Redis 10\na = hell\nend\n"
    );
}

#[test]
fn hostile_lengths_take_no_memory() {
    const HUGE: &[u8] = &[0x81, 0x80, 0, 0, 0, 0, 0, 0, 0]; // 2^63
    const LARGE: &[u8] = &[0x80, 0x20, 0, 0, 0]; // 512 MiB: within the limit
    let mut items = Vec::new();
    for len in [HUGE, LARGE] {
        for prefix in [&b"\0"[..], b"\0\x01a", b"\xfa", b"\xfa\x01a", b"\xf5", b"\xf7\x01\x02\x01\x05"] {
            items.push([prefix, len, b"abc"].concat());
            items.push([prefix, b"\xc3", len, b"\x03abc"].concat());
            items.push([prefix, b"\xc3\x03", len, b"\x02abc"].concat());
            items.push([prefix, b"\xc3", len, len, b"abc"].concat());
        }
    }
    items.push([b"\xfb", HUGE, HUGE].concat());
    items.push([b"\xfe", HUGE].concat());
    for options in [ReadOptions::default(), ReadOptions { max_string: u64::MAX, ..ReadOptions::default() }] {
        for item in &items {
            let mut reader = Reader::new(options);
            describe(&mut reader, &[&stream(item)]);
            let held = reader.buf.capacity()
                + reader.steps.scratch.first.capacity()
                + reader.steps.scratch.second.capacity();
            assert!(held <= 512, "{held} bytes for {item:?}");
        }
    }
}

#[test]
fn large_buffers_are_given_back() {
    let mut writer = Writer::new(WriteOptions { compress: true, ..WriteOptions::default() });
    writer.header();
    writer.string(b"compressed", &vec![b'x'; 20 << 20], None, None);
    let mut noise = vec![0; 20 << 20];
    fastrand::Rng::with_seed(5).fill(&mut noise);
    writer.string(b"plain", &noise, None, None);
    let large = writer.take();
    writer.string(b"small", b"value", None, None);
    let mut reader = Reader::default();
    let mut entries = 0;
    for chunk in large.chunks(1 << 16).chain([&writer.take()[..], b""]) {
        reader.feed(chunk);
        while let Some(event) = reader.next().unwrap() {
            entries += usize::from(matches!(event, Event::Entry { .. }));
        }
    }
    assert_eq!(entries, 3);
    assert!(
        reader.buf.capacity() <= KEPT_CAPACITY && reader.steps.scratch.second.capacity() <= KEPT_CAPACITY
    );
}

/// A small stream with every kind of item.
fn sample() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.header();
    writer.aux(b"redis-ver", b"7.0.15");
    writer.aux(b"ctime", b"1700000000");
    writer.function(b"#!lua name=lib");
    writer.select_db(0);
    writer.resize(4, 1);
    writer.string(b"plain", b"value", Some(1_900_000_000_000), None);
    writer.string(b"12345", b"-7", None, Some(Access::Idle(100)));
    writer.string(b"key:000000000000000000000000", &[b'v'; 100], None, Some(Access::Freq(9)));
    writer.select_db(9);
    writer.string(b"", b"", Some(0), None);
    writer.finish();
    writer.take()
}

#[test]
fn the_sample_reads_as_written() {
    let text = describe(&mut Reader::default(), &[&sample()]);
    let expected = format!(
        "Redis 10\naux redis-ver = 7.0.15\naux ctime = 1700000000\nfunction #!lua name=lib\ndb 0\nresize 4 1\n\
         plain = value at 1900000000000\n12345 = -7 idle 100\nkey:000000000000000000000000 = {} freq 9\ndb 9\n \
         =  at 0\nend ",
        "v".repeat(100)
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_stream_in_memory_is_read_where_it_lies() {
    let bytes = sample();
    let whole = describe(&mut Reader::default(), &[&bytes]);
    for step in [1, 7, bytes.len()] {
        let mut reader = Reader::default();
        let mut text = String::new();
        for known in (step..).step_by(step).map(|known| known.min(bytes.len())) {
            while let Some(event) = reader.next_in(&bytes[..known]).unwrap() {
                text.push_str(&line(&event));
            }
            if known == bytes.len() {
                break;
            }
            assert!(reader.close().is_err(), "{known} bytes are not all");
        }
        assert_eq!(text, whole, "{step} bytes more each time");
        assert_eq!((reader.position(), reader.leftover()), (bytes.len() as u64, &b""[..]));
        assert_eq!(reader.close(), Ok(()));
        assert_eq!(reader.buf.capacity(), 0);
    }
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut reader = Reader::default();
    let error = loop {
        match reader.next_in(&damaged) {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::ChecksumMismatch { .. }), "{error}");
    assert_eq!(reader.next_in(&damaged), Err(error), "an error is final");
}

#[test]
fn a_stream_cut_anywhere_is_incomplete_and_can_go_on() {
    let bytes = sample();
    let whole = describe(&mut Reader::default(), &[&bytes]);
    for cut in 0..bytes.len() {
        let text = describe(&mut Reader::default(), &[&bytes[..cut]]);
        let (events, end) =
            text.trim_end().rsplit_once('\n').map_or(("", &text[..]), |(events, end)| (events, end));
        assert!(whole.starts_with(events));
        assert_eq!(end.trim_end(), Error::Truncated { at: cut as u64 }.to_string());
        let text = describe(&mut Reader::default(), &[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(text, whole, "cut at {cut}");
    }
}

#[test]
fn any_flipped_bit_is_an_error_or_changes_nothing() {
    let bytes = sample();
    let whole = describe(&mut Reader::default(), &[&bytes]);
    let content =
        |text: &str| text.lines().filter(|l| !l.starts_with("end ")).map(str::to_owned).collect::<Vec<_>>();
    let mut harmless = 0;
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let mut reader = Reader::default();
        let text = describe(&mut reader, &[&damaged]);
        if reader.is_finished() {
            assert_eq!(content(&text), content(&whole), "bit {bit}");
            harmless += 1;
        }
        // Without the checksum any content may come out, but nothing worse.
        let options = ReadOptions { verify_checksum: false, ..ReadOptions::default() };
        describe(&mut Reader::new(options), &[&damaged]);
    }
    // The checksum covers every bit before it, and itself.
    assert_eq!(harmless, 0);
}

#[derive(Debug, Clone)]
struct Row {
    key: Vec<u8>,
    value: Vec<u8>,
    expiry_ms: Option<u64>,
    access: Option<Access>,
}

fn strings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(0u8..3, 0..400),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        any::<i16>().prop_map(|n| n.to_string().into_bytes()),
        (any::<u8>(), 0usize..20_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let access = prop_oneof![
        Just(None),
        any::<u64>().prop_map(|n| Some(Access::Idle(n))),
        any::<u8>().prop_map(|n| Some(Access::Freq(n))),
    ];
    let expiry = proptest::option::of(0..=i64::MAX as u64);
    let row = (strings(), strings(), expiry, access).prop_map(|(key, value, expiry_ms, access)| Row {
        key,
        value,
        expiry_ms,
        access,
    });
    proptest::collection::vec(row, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn round_trip_in_any_chunks(
        rows in rows(),
        compress: bool,
        checksum: bool,
        version in 10u32..=12,
        chunk_seed: u64,
    ) {
        let mut rng = fastrand::Rng::with_seed(chunk_seed);
        let mut writer = Writer::new(WriteOptions { version, compress, checksum, ..WriteOptions::ANY });
        let mut bytes = Vec::new();
        writer.header();
        for row in &rows {
            writer.string(&row.key, &row.value, row.expiry_ms, row.access);
            if rng.u8(..) < 50 {
                bytes.extend(writer.take());
                prop_assert_eq!(writer.pending(), 0);
            }
        }
        writer.finish();
        bytes.extend(writer.take_with(vec![1, 2, 3]));

        let mut reader = Reader::default();
        let mut expected = rows.iter();
        let mut rest = &bytes[..];
        let mut ended = false;
        while !rest.is_empty() {
            let len = match rng.u8(0..3) { 0 => 1, 1 => rng.usize(1..50), _ => rng.usize(1..30_000) };
            let (chunk, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            reader.feed(chunk);
            // Now and then the caller feeds again before it has taken all events.
            let mut patience = if rng.bool() { usize::MAX } else { rng.usize(0..3) };
            while patience > 0 || rest.is_empty() {
                patience = patience.saturating_sub(1);
                match reader.next().unwrap() {
                    None => break,
                    Some(Event::Header { version: v, flavor: Flavor::Redis }) => prop_assert_eq!(v, version),
                    Some(Event::Entry { key, expiry_ms, idle, freq, value: Value::String(value) }) => {
                        let row = expected.next().unwrap();
                        prop_assert_eq!(key, &row.key[..]);
                        prop_assert_eq!(value, &row.value[..]);
                        prop_assert_eq!(expiry_ms, row.expiry_ms);
                        let access = idle.map(Access::Idle).or(freq.map(Access::Freq));
                        prop_assert_eq!(access, row.access);
                    }
                    Some(Event::End { checksum: sum }) => {
                        prop_assert_eq!(sum.is_some(), checksum);
                        ended = true;
                    }
                    Some(other) => prop_assert!(false, "{:?}", other),
                }
            }
        }
        prop_assert!(ended && expected.next().is_none());
        prop_assert_eq!(reader.position(), bytes.len() as u64);
    }

    #[test]
    fn noise_never_panics_and_chunks_do_not_matter(
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..4, 243u8..], 0..300),
        valkey: bool,
        chunk in 1usize..20,
    ) {
        let bytes = [if valkey { b"VALKEY080" } else { b"REDIS0010" }, &noise[..]].concat();
        let whole = describe(&mut Reader::default(), &[&bytes]);
        let chunks: Vec<&[u8]> = bytes.chunks(chunk).collect();
        prop_assert_eq!(describe(&mut Reader::default(), &chunks), whole);
    }
}
