//! `json`: a line of JSON a key, written while it is read.
//!
//! ```text
//! {"db":0,"key":"k","type":"string","expiry_ms":1900000000000,"value":"v"}
//! {"db":0,"key":"l","type":"list","value":["a","b"]}
//! {"db":0,"key":"s","type":"set","value":["a","b"]}
//! {"db":0,"key":"h","type":"hash","value":{"f":"v"},"field_expiry_ms":{"f":1900000000000}}
//! {"db":0,"key":"z","type":"zset","value":[["a",1.5],["b","inf"]]}
//! {"db":0,"key":"x","type":"stream","value":[["1-0",[["f","v"]]]],"last_id":"1-0",…,"groups":[…]}
//! {"db":0,"key":"a","type":"array","value":[[0,"v"],[70,"w"]]}
//! {"db":0,"key":"m","type":"module","value":[{"module":"ReJSON-RL version 3"},1,{"double":0.5},"text"]}
//! ```
//!
//! The parts of a module's value are numbers, strings, `{"float":…}` and `{"double":…}`; what they mean only the module knows.
//! Text that is no UTF-8 stands as an object with its bytes in hexadecimal digits, `{"hex":"ff00"}`, as a value; as the name of a
//! field it stands as `hex:ff00`, and a name that really begins with `hex:` does too, so that no two are the same.

use std::io::Write;

use anyhow::Result;
use listpack::TextBuffer;
use rdb::{Compact, Event, Kind, ModulePart, Value, stream::EntriesRead};

use crate::Outcome;
use crate::cli::JsonArgs;
use crate::source::Source;

pub fn run(args: &JsonArgs, out: &mut dyn Write) -> Result<Outcome> {
    let mut printer = Printer {
        out,
        kind: Kind::String,
        first: true,
        expiries: Vec::new(),
        skip: false,
        depth: Depth::Value,
    };
    let wanted = |db: u64, key: &[u8]| {
        args.db.is_none_or(|wanted| wanted == db)
            && args.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_bytes()))
    };
    let read = Source::open(&args.file, "reading")?.read(&mut |event, place| match event {
        Event::Entry { key, expiry_ms, idle, freq, value } if wanted(place.db, key) => {
            printer.head(place.db, key, value.kind(), expiry_ms, idle, freq)?;
            match value {
                Value::String(text) => string(printer.out, text)?,
                Value::Compact(compact) => {
                    printer.open()?;
                    printer.compact(compact)?;
                    printer.close()?;
                }
                other => anyhow::bail!("a value of the unknown form {other:?}"),
            }
            printer.tail()
        }
        Event::Begin { key, expiry_ms, idle, freq, kind, .. } => {
            printer.skip = !wanted(place.db, key);
            if printer.skip {
                return Ok(());
            }
            printer.head(place.db, key, kind, expiry_ms, idle, freq)?;
            printer.open()
        }
        Event::Entry { .. } | Event::ModuleAux { .. } | Event::EndOfModuleAux => Ok(()),
        _ if printer.skip => Ok(()),
        event => printer.part(event),
    });
    read.map_err(|stop| stop.into_error(&args.file))?;
    Ok(Outcome::Good)
}

/// Where in the object of a stream the next part goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Value,
    Groups,
    Pending,
    Consumers,
    Owned,
    Nacked,
}

struct Printer<'o> {
    out: &'o mut dyn Write,
    kind: Kind,
    /// Nothing has been written into the innermost list.
    first: bool,
    /// When fields of a hash expire, as the members of an object.
    expiries: Vec<u8>,
    /// The value is not wanted.
    skip: bool,
    depth: Depth,
}

impl Printer<'_> {
    fn head(
        &mut self,
        db: u64,
        key: &[u8],
        kind: Kind,
        expiry_ms: Option<u64>,
        idle: Option<u64>,
        freq: Option<u8>,
    ) -> Result<()> {
        self.kind = kind;
        self.skip = false;
        write!(self.out, "{{\"db\":{db},\"key\":")?;
        string(self.out, key)?;
        write!(self.out, ",\"type\":\"{kind}\"")?;
        if let Some(at) = expiry_ms {
            write!(self.out, ",\"expiry_ms\":{at}")?;
        }
        if let Some(seconds) = idle {
            write!(self.out, ",\"idle_s\":{seconds}")?;
        }
        if let Some(counter) = freq {
            write!(self.out, ",\"freq\":{counter}")?;
        }
        write!(self.out, ",\"value\":")?;
        Ok(())
    }

    fn tail(&mut self) -> Result<()> {
        writeln!(self.out, "}}")?;
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        self.first = true;
        self.depth = Depth::Value;
        write!(self.out, "{}", if self.kind == Kind::Hash { '{' } else { '[' })?;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        write!(self.out, "{}", if self.kind == Kind::Hash { '}' } else { ']' })?;
        if !self.expiries.is_empty() {
            write!(self.out, ",\"field_expiry_ms\":{{")?;
            self.out.write_all(&self.expiries)?;
            write!(self.out, "}}")?;
            self.expiries.clear();
        }
        Ok(())
    }

    fn comma(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.first) {
            write!(self.out, ",")?;
        }
        Ok(())
    }

    fn element(&mut self, element: &[u8]) -> Result<()> {
        self.comma()?;
        string(self.out, element)
    }

    fn field(&mut self, field: &[u8], value: &[u8], expiry_ms: Option<u64>) -> Result<()> {
        self.comma()?;
        name(self.out, field)?;
        write!(self.out, ":")?;
        string(self.out, value)?;
        if let Some(at) = expiry_ms {
            if !self.expiries.is_empty() {
                self.expiries.push(b',');
            }
            name(&mut self.expiries, field)?;
            write!(self.expiries, ":{at}")?;
        }
        Ok(())
    }

    fn member(&mut self, member: &[u8], score: f64) -> Result<()> {
        self.comma()?;
        write!(self.out, "[")?;
        string(self.out, member)?;
        // JSON has no infinite numbers.
        match score {
            f64::INFINITY => write!(self.out, ",\"inf\"]")?,
            f64::NEG_INFINITY => write!(self.out, ",\"-inf\"]")?,
            _ => {
                write!(self.out, ",")?;
                serde_json::to_writer(&mut *self.out, &score)?;
                write!(self.out, "]")?;
            }
        }
        Ok(())
    }

    fn compact(&mut self, compact: Compact<'_>) -> Result<()> {
        let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
        match compact.kind() {
            Kind::Hash => compact.fields().try_for_each(|(field, value, expiry)| {
                self.field(field.text(&mut one), value.text(&mut other), expiry)
            }),
            Kind::ZSet => {
                compact.members().try_for_each(|(member, score)| self.member(member.text(&mut one), score))
            }
            _ => compact.entries().try_for_each(|element| self.element(element.text(&mut one))),
        }
    }

    /// An event of a value that comes in parts.
    fn part(&mut self, event: Event<'_>) -> Result<()> {
        let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
        match event {
            Event::Element(element) => self.element(element),
            Event::Elements(compact) => self.compact(compact),
            Event::Field { field, value, expiry_ms } => self.field(field, value, expiry_ms),
            Event::Member { member, score } => self.member(member, score),
            Event::StreamNode(node) => {
                for entry in node.entries() {
                    self.comma()?;
                    write!(self.out, "[\"{}\",[", entry.id)?;
                    for (number, (field, value)) in entry.fields.enumerate() {
                        write!(self.out, "{}[", if number > 0 { "," } else { "" })?;
                        string(self.out, field.text(&mut one))?;
                        write!(self.out, ",")?;
                        string(self.out, value.text(&mut other))?;
                        write!(self.out, "]")?;
                    }
                    write!(self.out, "]]")?;
                }
                Ok(())
            }
            Event::StreamMeta { meta, .. } => {
                write!(
                    self.out,
                    "],\"length\":{},\"last_id\":\"{}\",\"max_deleted_id\":\"{}\",\"entries_added\":{},\"groups\":[",
                    meta.length, meta.last_id, meta.max_deleted_id, meta.entries_added
                )?;
                self.enter(Depth::Groups)
            }
            Event::Group { name, last_id, entries_read, .. } => {
                self.leave_to(Depth::Groups)?;
                self.comma()?;
                write!(self.out, "{{\"name\":")?;
                string(self.out, name)?;
                write!(self.out, ",\"last_id\":\"{last_id}\"")?;
                if let EntriesRead::Count(count) = entries_read {
                    write!(self.out, ",\"entries_read\":{count}")?;
                }
                write!(self.out, ",\"pending\":[")?;
                self.enter(Depth::Pending)
            }
            Event::Pending { id, delivered_ms, deliveries } => {
                self.comma()?;
                write!(self.out, "[\"{id}\",{delivered_ms},{deliveries}]")?;
                Ok(())
            }
            Event::Consumer { name, seen_ms, active_ms, .. } => {
                self.leave_to(Depth::Consumers)?;
                self.comma()?;
                write!(self.out, "{{\"name\":")?;
                string(self.out, name)?;
                write!(self.out, ",\"seen_ms\":{seen_ms},\"active_ms\":{active_ms},\"pending\":[")?;
                self.enter(Depth::Owned)
            }
            Event::ConsumerPending(id) => {
                self.comma()?;
                write!(self.out, "\"{id}\"")?;
                Ok(())
            }
            Event::Consumers(0) | Event::Nacks(0) => Ok(()),
            Event::Consumers(_) => {
                write!(self.out, "],\"consumers\":[")?;
                self.enter(Depth::Consumers)
            }
            Event::Nacks(_) => {
                self.leave_to(Depth::Consumers)?;
                write!(self.out, "],\"nacked\":[")?;
                self.enter(Depth::Nacked)
            }
            Event::Nack(id) => {
                self.comma()?;
                write!(self.out, "\"{id}\"")?;
                Ok(())
            }
            Event::Cell { index, value } => {
                self.comma()?;
                write!(self.out, "[{index},")?;
                string(self.out, value)?;
                write!(self.out, "]")?;
                Ok(())
            }
            Event::Module(module) => {
                self.comma()?;
                write!(self.out, "{{\"module\":\"{module}\"}}")?;
                Ok(())
            }
            Event::ModulePart(part) if self.kind == Kind::Module => {
                self.comma()?;
                module_part(self.out, part)
            }
            Event::EndOfKey => {
                if self.kind == Kind::Stream {
                    self.leave_to(Depth::Groups)?;
                }
                self.close()?;
                self.tail()
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, depth: Depth) -> Result<()> {
        self.depth = depth;
        self.first = true;
        Ok(())
    }

    /// Ends what is open inside the list of a stream's groups, or inside that of a group's consumers.
    fn leave_to(&mut self, depth: Depth) -> Result<()> {
        while self.depth != depth {
            self.depth = match self.depth {
                Depth::Owned => {
                    write!(self.out, "]}}")?;
                    Depth::Consumers
                }
                Depth::Consumers | Depth::Nacked => {
                    write!(self.out, "]}}")?;
                    Depth::Groups
                }
                Depth::Pending => {
                    write!(self.out, "],\"consumers\":[]}}")?;
                    Depth::Groups
                }
                Depth::Groups | Depth::Value => return Ok(()),
            };
            self.first = false;
        }
        Ok(())
    }
}

/// A string as a value.
fn string(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::to_writer(out, text)?,
        Err(_) => {
            write!(out, "{{\"hex\":\"")?;
            hex(out, bytes)?;
            write!(out, "\"}}")?;
        }
    }
    Ok(())
}

fn module_part(out: &mut dyn Write, part: ModulePart<'_>) -> Result<()> {
    // JSON has no infinite numbers, and none that are no numbers.
    let mut real = |name: &str, number: f64| match number.is_finite() {
        true => write!(out, "{{\"{name}\":{number}}}"),
        false => write!(out, "{{\"{name}\":\"{number}\"}}"),
    };
    match part {
        ModulePart::Float(number) => real("float", number.into())?,
        ModulePart::Double(number) => real("double", number)?,
        ModulePart::Signed(number) => write!(out, "{number}")?,
        ModulePart::Unsigned(number) => write!(out, "{number}")?,
        ModulePart::String(text) => string(out, text)?,
    }
    Ok(())
}

/// A string as the name of a member of an object.
fn name(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with("hex:") => serde_json::to_writer(out, text)?,
        _ => {
            write!(out, "\"hex:")?;
            hex(out, bytes)?;
            write!(out, "\"")?;
        }
    }
    Ok(())
}

fn hex(out: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    for byte in bytes {
        write!(out, "{byte:02x}")?;
    }
    Ok(())
}
