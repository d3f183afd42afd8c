//! Any file, in any pieces: the pieces do not matter, and what is called whole is whole.
#![no_main]

use aof::{Damage, Reader, Step, Tail};
use libfuzzer_sys::fuzz_target;

fn read(file: &[u8], piece: usize) -> Result<Tail, Damage> {
    let (mut reader, mut known, mut from) = (Reader::new(), 0, 0);
    loop {
        match reader.next(&file[from..known])? {
            Step::Item { len, .. } => from += len,
            Step::NeedsMore if known == file.len() => return Ok(reader.tail((known - from) as u64)),
            Step::NeedsMore => known = file.len().min(known + piece),
        }
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, file) = input;
    let whole = read(file, file.len().max(1));
    assert_eq!(read(file, usize::from(piece) + 1), whole);
    if let Ok(tail) = whole {
        let cut = &file[..tail.whole as usize];
        assert_eq!(read(cut, cut.len().max(1)).map(|tail| tail.whole), Ok(tail.whole));
    }
});
