//! Any bytes are refused, or are a listpack that reads the same from both ends and stays valid when it is changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use listpack::{Entry, Listpack, View};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let mut bytes = data.to_vec();
    // Mostly with a right total and end mark, so that the inputs get beyond the first checks.
    if choice & 1 == 0 && bytes.len() >= 7 {
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..6].copy_from_slice(&[0xff; 2]);
        bytes[total as usize - 1] = 0xff;
    }
    let Ok(mut pack) = Listpack::from_bytes(bytes) else { return };
    let forward: Vec<Vec<u8>> = pack.iter().map(Entry::to_vec).collect();
    let mut backward: Vec<Vec<u8>> = pack.iter().rev().map(Entry::to_vec).collect();
    backward.reverse();
    assert_eq!(forward, backward);

    let index = usize::from(choice >> 1) % (forward.len() + 1);
    let mut model = forward;
    assert_eq!(pack.insert(index, data), Ok(true));
    model.insert(index, data.to_vec());
    assert_eq!(pack.replace(-1, "7"), Ok(true));
    *model.last_mut().expect("one was inserted") = b"7".to_vec();
    assert!(pack.remove(0));
    model.remove(0);
    assert!(View::new(pack.as_bytes()).is_ok());
    assert!(pack.iter().map(Entry::to_vec).eq(model));
});
