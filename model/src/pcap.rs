// SPDX-License-Identifier: GPL-2.0

//! Capture files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// A capture file with nanosecond time stamps.
pub struct Pcap {
    out: BufWriter<File>,
    failed: bool,
}

impl Pcap {
    /// Creates the file.
    pub fn create(path: &Path) -> std::io::Result<Pcap> {
        let mut out = BufWriter::new(File::create(path)?);
        for word in [0xa1b2_3c4du32, 0x0004_0002, 0, 0, 65535, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.flush()?;
        Ok(Pcap { out, failed: false })
    }

    /// Adds a frame.
    pub fn record(&mut self, data: &[u8]) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let kept = &data[..data.len().min(65535)];
        let mut head = [0; 16];
        for (chunk, word) in head.chunks_exact_mut(4).zip([
            now.as_secs() as u32,
            now.subsec_nanos(),
            kept.len() as u32,
            data.len() as u32,
        ]) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        let result = self
            .out
            .write_all(&head)
            .and_then(|()| self.out.write_all(kept));
        self.check(result);
    }

    /// Brings the file up to date.
    pub fn flush(&mut self) {
        let result = self.out.flush();
        self.check(result);
    }

    fn check(&mut self, result: std::io::Result<()>) {
        if let Err(e) = result {
            if !self.failed {
                tracing::error!("capture file: {e}; it is incomplete from here on");
            }
            self.failed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_has_header_and_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pcap");
        let mut p = Pcap::create(&path).unwrap();
        p.record(&[1, 2, 3]);
        p.flush();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 24 + 16 + 3);
        assert_eq!(bytes[..4], [0x4d, 0x3c, 0xb2, 0xa1]);
        assert_eq!(bytes[32..36], [3, 0, 0, 0]);
        assert_eq!(bytes[40..], [1, 2, 3]);
    }
}
