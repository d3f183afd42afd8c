//! A dataset as the commands that make it: the base of an append only file where `aof-use-rdb-preamble` is off.
//!
//! Strings are set; what has elements is restored from the payload that DUMP gives. Every server whose files these are reads both.

use std::sync::atomic::Ordering;

use commands::transfer::dump_for_any;
use resp::encode_request;

use super::{CHUNK_BYTES, SnapshotWriter};
use crate::action::SaveReport;

pub(super) fn run(writer: SnapshotWriter, sink: &mut dyn FnMut(Vec<u8>, u64) -> bool) -> Option<SaveReport> {
    let SnapshotWriter { view, header, options, progress, .. } = writer;
    let chunk_bytes = if options.key_delay_us > 0 { 1 } else { CHUNK_BYTES };
    let mut out = Vec::new();
    let (mut bytes, mut keys, mut in_chunk) = (0, 0, 0);
    aof::Writer::time(&mut out, header.created_unix_s);
    for code in header.functions.iter() {
        encode_request(&mut out, &[b"FUNCTION", b"LOAD", code]);
    }
    for index in 0..view.databases() {
        let db = view.db(index);
        if db.is_empty() {
            continue;
        }
        aof::Writer::select(&mut out, index as u32);
        for entry in db.iter() {
            let expiry = entry.expiry().map(|at| at.to_string());
            match entry.str() {
                Some(text) => match &expiry {
                    Some(at) => {
                        encode_request(&mut out, &[b"SET", entry.key(), text, b"PXAT", at.as_bytes()])
                    }
                    None => encode_request(&mut out, &[b"SET", entry.key(), text]),
                },
                None => {
                    let (payload, at) = (dump_for_any(&entry), expiry.as_deref().unwrap_or("0"));
                    encode_request(&mut out, &[b"RESTORE", entry.key(), at.as_bytes(), &payload, b"ABSTTL"]);
                }
            }
            in_chunk += 1;
            if out.len() >= chunk_bytes {
                bytes += out.len() as u64;
                keys += in_chunk;
                progress.store(keys, Ordering::Relaxed);
                if !sink(std::mem::take(&mut out), std::mem::take(&mut in_chunk)) {
                    return None;
                }
            }
        }
    }
    bytes += out.len() as u64;
    keys += in_chunk;
    progress.store(keys, Ordering::Relaxed);
    sink(out, in_chunk).then_some(SaveReport { bytes, keys })
}
