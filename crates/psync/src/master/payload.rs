//! What stands around a payload.

use std::fmt;

/// In which form a payload is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadForm {
    /// Its length first. The stream follows the last byte immediately.
    Length,
    /// A mark at its end. The stream has to wait for the replica's acknowledgement: until then the replica
    /// may take what follows the mark for a part of the payload.
    Mark,
}

/// What stands before a payload whose length is known.
#[must_use]
pub fn length_header(len: u64) -> Vec<u8> {
    format!("${len}\r\n").into_bytes()
}

/// The end mark of one payload: drawn at random, so that no data contains it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EofMark([u8; 40]);

impl EofMark {
    /// Draws a mark.
    pub fn random(rng: &mut fastrand::Rng) -> EofMark {
        let mut mark = [0; 40];
        mark.fill_with(|| rng.alphanumeric() as u8);
        EofMark(mark)
    }

    /// What stands before the payload.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut header = b"$EOF:".to_vec();
        header.extend_from_slice(&self.0);
        header.extend_from_slice(b"\r\n");
        header
    }

    /// What stands after the payload.
    #[must_use]
    pub fn trailer(&self) -> &[u8; 40] {
        &self.0
    }
}

impl fmt::Debug for EofMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EofMark({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_as_the_protocol_has_them() {
        assert_eq!(length_header(0), b"$0\r\n");
        assert_eq!(length_header(1 << 40), b"$1099511627776\r\n");
        let mark = EofMark::random(&mut fastrand::Rng::with_seed(1));
        let header = mark.header();
        assert_eq!(header.len(), 47);
        assert_eq!(&header[5..45], mark.trailer());
        assert!(header.starts_with(b"$EOF:") && header.ends_with(b"\r\n"));
        assert_ne!(mark, EofMark::random(&mut fastrand::Rng::with_seed(2)));
    }
}
