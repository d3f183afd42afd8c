//! What a value comes down to, whatever form it is kept in: 128 bits, equal for equal values.
//!
//! The elements of sets, hashes and sorted sets are added up, so that their order does not matter; those of lists and streams, and
//! what is known of a stream, are chained.

use anyhow::Result;
use listpack::TextBuffer;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use rdb::{Compact, Event, Kind, ModulePart, StreamId, Value, stream::EntriesRead};

/// A fingerprint.
pub type Print = u128;

/// Makes fingerprints of values, from the events that they come in.
pub struct Fingerprinter {
    secrets: [RapidSecrets; 2],
    kind: Kind,
    print: Print,
    buffer: Vec<u8>,
}

impl Fingerprinter {
    /// One that agrees with every other of this program.
    pub fn new() -> Fingerprinter {
        Fingerprinter {
            secrets: [RapidSecrets::seed(0x74_61_6e_64_65_6d), RapidSecrets::seed(0x72_64_62)],
            kind: Kind::String,
            print: 0,
            buffer: Vec::new(),
        }
    }

    /// The fingerprint of some bytes.
    pub fn of(&self, bytes: &[u8]) -> Print {
        let [high, low] = self.secrets.each_ref().map(|secrets| rapidhash_v3_seeded(bytes, secrets));
        u128::from(high) << 64 | u128::from(low)
    }

    /// A value that came whole.
    pub fn whole(&mut self, value: Value<'_>) -> Result<Print> {
        self.begin(value.kind());
        match value {
            Value::String(text) => self.chain(&[text]),
            Value::Compact(compact) => self.compact(compact),
            other => anyhow::bail!("a value of the unknown form {other:?}"),
        }
        Ok(self.print)
    }

    /// A value whose parts follow.
    pub fn begin(&mut self, kind: Kind) {
        self.kind = kind;
        self.print = self.of(kind.name().as_bytes());
    }

    /// A part of it.
    pub fn part(&mut self, event: &Event<'_>) {
        match event {
            Event::Element(element) if self.kind == Kind::List => self.chain(&[element]),
            Event::Element(element) => self.add(&[element]),
            Event::Elements(compact) => self.compact(*compact),
            Event::Field { field, value, expiry_ms } => self.field(field, value, *expiry_ms),
            Event::Member { member, score } => self.member(member, *score),
            Event::StreamNode(node) => {
                let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
                for entry in node.entries() {
                    self.chain(&[&id(entry.id)]);
                    for (field, value) in entry.fields {
                        self.chain(&[field.text(&mut one), value.text(&mut other)]);
                    }
                }
            }
            Event::StreamMeta { meta, .. } => {
                self.chain(&[&id(meta.last_id), &id(meta.max_deleted_id), &meta.entries_added.to_le_bytes()]);
            }
            Event::Group { name, last_id, entries_read, .. } => {
                let read = match entries_read {
                    EntriesRead::Count(count) => Some(*count),
                    EntriesRead::Unknown | EntriesRead::Unrecorded => None,
                };
                self.chain(&[name, &id(*last_id), &time(read)]);
            }
            Event::Pending { id: entry, delivered_ms, deliveries } => {
                self.chain(&[&id(*entry), &delivered_ms.to_le_bytes(), &deliveries.to_le_bytes()]);
            }
            // When a consumer last asked is not the same in each form of the format.
            Event::Consumer { name, .. } => self.chain(&[name]),
            Event::ConsumerPending(entry) | Event::Nack(entry) => self.chain(&[&id(*entry)]),
            Event::Producer { name, .. } => self.chain(&[name]),
            Event::ProducerEntry { name, id: entry } => self.chain(&[name, &id(*entry)]),
            Event::Cell { index, value } => self.chain(&[&index.to_le_bytes(), value]),
            Event::Module(module) => self.chain(&[&module.0.to_le_bytes()]),
            Event::ModulePart(part) => match part {
                ModulePart::Signed(number) => self.chain(&[b"i", &number.to_le_bytes()]),
                ModulePart::Unsigned(number) => self.chain(&[b"u", &number.to_le_bytes()]),
                ModulePart::Float(number) => self.chain(&[b"f", &number.to_le_bytes()]),
                ModulePart::Double(number) => self.chain(&[b"d", &number.to_le_bytes()]),
                ModulePart::String(text) => self.chain(&[b"s", text]),
            },
            _ => {}
        }
    }

    /// What has come of it.
    pub fn end(&self) -> Print {
        self.print
    }

    fn compact(&mut self, compact: Compact<'_>) {
        let (mut one, mut other) = (TextBuffer::new(), TextBuffer::new());
        match compact.kind() {
            Kind::Hash => compact
                .fields()
                .for_each(|(field, value, at)| self.field(field.text(&mut one), value.text(&mut other), at)),
            Kind::ZSet => {
                compact.members().for_each(|(member, score)| self.member(member.text(&mut one), score));
            }
            Kind::List => compact.entries().for_each(|element| self.chain(&[element.text(&mut one)])),
            _ => compact.entries().for_each(|element| self.add(&[element.text(&mut one)])),
        }
    }

    fn field(&mut self, field: &[u8], value: &[u8], expiry_ms: Option<u64>) {
        self.add(&[field, value, &time(expiry_ms)]);
    }

    fn member(&mut self, member: &[u8], score: f64) {
        // Zero has two signs, which are one score.
        let score = if score == 0.0 { 0.0 } else { score };
        self.add(&[member, &score.to_bits().to_le_bytes()]);
    }

    /// An element whose place does not matter.
    fn add(&mut self, parts: &[&[u8]]) {
        let element = self.of_parts(parts);
        self.print = self.print.wrapping_add(element);
    }

    /// An element whose place matters.
    fn chain(&mut self, parts: &[&[u8]]) {
        let before = self.print.to_le_bytes();
        let element = self.of_parts(parts).to_le_bytes();
        self.print = self.of_parts(&[&before, &element]);
    }

    fn of_parts(&mut self, parts: &[&[u8]]) -> Print {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        for part in parts {
            buffer.extend_from_slice(&(part.len() as u64).to_le_bytes());
            buffer.extend_from_slice(part);
        }
        let print = self.of(&buffer);
        self.buffer = buffer;
        print
    }
}

fn id(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_le_bytes()
}

fn time(at: Option<u64>) -> [u8; 9] {
    let mut bytes = [0; 9];
    if let Some(at) = at {
        bytes[0] = 1;
        bytes[1..].copy_from_slice(&at.to_le_bytes());
    }
    bytes
}
