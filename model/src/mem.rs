// SPDX-License-Identifier: GPL-2.0

//! Guest memory as the device's bus master sees it.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory};

/// A DMA access that no mapping answers, or that the mapping forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

/// The result of a DMA access.
pub type DmaResult<T> = Result<T, BusError>;

struct Map {
    size: u64,
    region: Arc<MmapRegion>,
    /// Offset of the mapping's first byte in `region`.
    offset: u64,
    read: bool,
    write: bool,
}

/// The DMA mappings of one device.
#[derive(Default)]
pub struct GuestMem {
    maps: BTreeMap<u64, Map>,
    /// One mapping a file: with an IOMMU the same memory arrives in thousands of pieces.
    files: Vec<((u64, u64), Arc<MmapRegion>)>,
}

impl GuestMem {
    /// Adds a mapping of `size` bytes of `file` from `offset` at bus address `addr`.
    pub fn map(
        &mut self,
        addr: u64,
        size: u64,
        file: File,
        offset: u64,
        read: bool,
        write: bool,
    ) -> std::io::Result<()> {
        let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
        let end = offset
            .checked_add(size)
            .ok_or_else(|| invalid("DMA map wraps"))?;
        if size == 0 || addr.checked_add(size).is_none() {
            return Err(invalid("DMA map is empty or wraps"));
        }
        let meta = file.metadata()?;
        let len = meta.len();
        if end > len {
            return Err(invalid("DMA map reaches beyond its file"));
        }
        let key = (meta.dev(), meta.ino());
        let known = self
            .files
            .iter()
            .find(|(k, region)| *k == key && region.size() as u64 >= end)
            .map(|(_, region)| region.clone());
        let region = match known {
            Some(region) => region,
            None => {
                let region = Arc::new(
                    MmapRegion::from_file(FileOffset::new(file, 0), len as usize)
                        .map_err(std::io::Error::other)?,
                );
                self.files.retain(|(k, _)| *k != key);
                self.files.push((key, region.clone()));
                region
            }
        };
        self.insert(
            addr,
            Map {
                size,
                region,
                offset,
                read,
                write,
            },
        );
        Ok(())
    }

    /// Adds anonymous memory; for tests.
    pub fn map_anonymous(&mut self, addr: u64, size: u64) {
        let region = Arc::new(MmapRegion::new(size as usize).expect("anonymous memory"));
        self.insert(
            addr,
            Map {
                size,
                region,
                offset: 0,
                read: true,
                write: true,
            },
        );
    }

    fn insert(&mut self, addr: u64, map: Map) {
        self.unmap(addr, map.size);
        self.maps.insert(addr, map);
    }

    /// Removes every mapping that overlaps the range.
    pub fn unmap(&mut self, addr: u64, size: u64) {
        let end = addr.saturating_add(size);
        let mut gone: Vec<u64> = self.maps.range(addr..end).map(|(a, _)| *a).collect();
        if let Some((a, m)) = self.maps.range(..addr).next_back() {
            if a + m.size > addr {
                gone.push(*a);
            }
        }
        for a in gone {
            self.maps.remove(&a);
        }
    }

    /// Removes all mappings.
    pub fn clear(&mut self) {
        self.maps.clear();
        self.files.clear();
    }

    /// Number of mappings.
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The mapping that holds `addr`, and the offset in its region and the bytes left from there.
    fn find(&self, addr: u64) -> DmaResult<(&Map, usize, u64)> {
        let (start, map) = self.maps.range(..=addr).next_back().ok_or(BusError)?;
        let inside = addr - start;
        if inside >= map.size {
            return Err(BusError);
        }
        Ok((map, (map.offset + inside) as usize, map.size - inside))
    }

    /// Reads `buf.len()` bytes; the range may span several mappings.
    pub fn read(&self, mut addr: u64, mut buf: &mut [u8]) -> DmaResult<()> {
        while !buf.is_empty() {
            let (map, offset, left) = self.find(addr)?;
            if !map.read {
                return Err(BusError);
            }
            let n = left.min(buf.len() as u64) as usize;
            let (head, tail) = buf.split_at_mut(n);
            map.region
                .as_volatile_slice()
                .read_slice(head, offset)
                .map_err(|_| BusError)?;
            buf = tail;
            addr = addr.checked_add(n as u64).ok_or(BusError)?;
        }
        Ok(())
    }

    /// Writes `buf`; the range may span several mappings.
    pub fn write(&self, mut addr: u64, mut buf: &[u8]) -> DmaResult<()> {
        while !buf.is_empty() {
            let (map, offset, left) = self.find(addr)?;
            if !map.write {
                return Err(BusError);
            }
            let n = left.min(buf.len() as u64) as usize;
            let (head, tail) = buf.split_at(n);
            map.region
                .as_volatile_slice()
                .write_slice(head, offset)
                .map_err(|_| BusError)?;
            buf = tail;
            addr = addr.checked_add(n as u64).ok_or(BusError)?;
        }
        Ok(())
    }

    /// Loads an aligned word; later loads see what was stored before it.
    pub fn load(&self, addr: u64) -> DmaResult<u32> {
        let (map, offset, left) = self.find(addr)?;
        if !map.read || left < 4 {
            return Err(BusError);
        }
        let word: u32 = map
            .region
            .as_volatile_slice()
            .load(offset, Ordering::Acquire)
            .map_err(|_| BusError)?;
        Ok(u32::from_le(word))
    }

    /// Stores an aligned word; it becomes visible after everything stored before it.
    pub fn store(&self, addr: u64, value: u32) -> DmaResult<()> {
        let (map, offset, left) = self.find(addr)?;
        if !map.write || left < 4 {
            return Err(BusError);
        }
        map.region
            .as_volatile_slice()
            .store(value.to_le(), offset, Ordering::Release)
            .map_err(|_| BusError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_spans_adjacent_maps() {
        let mut mem = GuestMem::default();
        mem.map_anonymous(0x1000, 0x1000);
        mem.map_anonymous(0x2000, 0x1000);
        mem.write(0x1ffe, &[1, 2, 3, 4]).unwrap();
        let mut buf = [0; 4];
        mem.read(0x1ffe, &mut buf).unwrap();
        assert_eq!(buf, [1, 2, 3, 4]);
    }

    #[test]
    fn holes_are_bus_errors() {
        let mut mem = GuestMem::default();
        mem.map_anonymous(0x1000, 0x1000);
        assert_eq!(mem.write(0x1ffe, &[1, 2, 3, 4]), Err(BusError));
        assert_eq!(mem.load(0xffc), Err(BusError));
        assert_eq!(mem.load(u64::MAX - 3), Err(BusError));
        mem.unmap(0x1800, 0x10);
        assert_eq!(mem.load(0x1000), Err(BusError));
    }

    #[test]
    fn maps_of_one_file_share_a_mapping_and_honour_their_direction() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(0x4000).unwrap();
        let mut mem = GuestMem::default();
        let again = || file.try_clone().unwrap();
        mem.map(0x10_0000, 0x1000, again(), 0x1000, true, true)
            .unwrap();
        mem.map(0x20_0000, 0x1000, again(), 0x1000, true, false)
            .unwrap();
        assert_eq!(mem.files.len(), 1);
        mem.store(0x10_0010, 0xdead_beef).unwrap();
        assert_eq!(mem.load(0x20_0010), Ok(0xdead_beef));
        assert_eq!(mem.store(0x20_0010, 0), Err(BusError));
        assert!(mem
            .map(0x30_0000, 0x1000, again(), 0x3800, true, true)
            .is_err());
    }
}
