use super::*;
use aof::Writer;
use node::{JobId, Offset};
use std::io::Write;

fn set(number: u64, len: usize) -> Vec<u8> {
    let value = number.to_string().repeat(len);
    format!("*3\r\n$3\r\nSET\r\n$1\r\na\r\n${len}\r\n{}\r\n", &value[..len]).into_bytes()
}

/// A file that grows.
struct Growing {
    dir: tempfile::TempDir,
    size: u64,
    stream: Vec<u8>,
}

impl Growing {
    fn new() -> Growing {
        Growing { dir: tempfile::tempdir().unwrap(), size: 0, stream: Vec::new() }
    }

    fn path(&self) -> Arc<Path> {
        self.dir.path().join("file").into()
    }

    fn append(&mut self, spans: u64, len: usize) {
        let mut bytes = Vec::new();
        for number in 0..spans {
            let command = set(number, len);
            Writer::span(&mut bytes, Offset(self.stream.len() as u64), 1, &[&command]);
            self.stream.extend_from_slice(&command);
        }
        let mut file = File::options().create(true).append(true).open(self.path()).unwrap();
        file.write_all(&bytes).unwrap();
        self.size += bytes.len() as u64;
    }

    /// To be read from here, by a replica that has been read nothing of it or what came before.
    fn wanted(&self, from: usize) -> AofRead {
        AofRead {
            job: JobId(1),
            conn: ConnId::from_u64(7),
            path: self.path(),
            mark: (0, Offset(0)),
            size: self.size,
            from: Offset(from as u64),
            len: (self.stream.len() - from).min(100_000),
            to: Offset(self.stream.len() as u64),
        }
    }
}

#[test]
fn a_file_is_followed_as_it_grows() {
    let (mut file, mut readings) = (Growing::new(), Readings::default());
    let mut read = Vec::new();
    for round in 0..20 {
        file.append(50, 1000 * (round + 1));
        // What is not known to be written is not looked at.
        let known = file.size;
        std::fs::OpenOptions::new()
            .append(true)
            .open(file.path())
            .unwrap()
            .write_all(b"half a comm")
            .unwrap();
        while read.len() < file.stream.len() {
            let part = readings.read(&file.wanted(read.len())).unwrap();
            assert!(part.settled && !part.bytes.is_empty());
            read.extend_from_slice(&part.bytes);
        }
        assert!(read == file.stream);
        // It was taken back.
        File::options().write(true).open(file.path()).unwrap().set_len(known).unwrap();
    }
    assert_eq!(readings.0.len(), 1);
    readings.end(ConnId::from_u64(7));
    assert!(readings.0.is_empty());
}

#[test]
fn a_large_span_is_checked_once() {
    let (mut file, mut readings) = (Growing::new(), Readings::default());
    file.append(1, 5 << 20);
    let mut read = readings.read(&file.wanted(0)).unwrap().bytes.to_vec();
    // Once it has been entered a byte may change unnoticed.
    let path = file.path();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    while read.len() < file.stream.len() {
        read.extend_from_slice(&readings.read(&file.wanted(read.len())).unwrap().bytes);
    }
    assert_eq!(read.len(), file.stream.len());
    let error = readings.read(&file.wanted(1000)).unwrap_err();
    assert!(error.contains("checksum") && error.contains("file: "), "{error}");
}

#[test]
fn a_file_that_is_gone_is_read_on_by_those_who_have_it() {
    let (mut file, mut readings) = (Growing::new(), Readings::default());
    file.append(300, 1000);
    let first = readings.read(&file.wanted(0)).unwrap().bytes;
    std::fs::remove_file(file.path()).unwrap();
    let second = readings.read(&file.wanted(first.len())).unwrap().bytes;
    assert!(file.stream.starts_with(&[first, second].concat()));
    let mut another = file.wanted(0);
    another.conn = ConnId::from_u64(8);
    let error = readings.read(&another).unwrap_err();
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn a_file_that_has_become_shorter_is_an_error() {
    let (mut file, mut readings) = (Growing::new(), Readings::default());
    file.append(3000, 1000);
    let first = readings.read(&file.wanted(0)).unwrap().bytes;
    File::options().write(true).open(file.path()).unwrap().set_len(500_000).unwrap();
    let error = readings.read(&file.wanted(first.len())).unwrap_err();
    assert!(error.contains("it has become shorter"), "{error}");
}
