// SPDX-License-Identifier: GPL-2.0

//! Register storage driven by a table.
//!
//! A block describes its registers once, bit by bit; the engine does what the bits say. What a
//! plain table cannot express (a counter behind a register, a status that is computed) is done by
//! the block in a hook before the read or after the write.

pub mod gmac4;

/// One register, or an array of them.
#[derive(Clone, Copy, Debug)]
pub struct Def {
    /// Byte offset of the first instance.
    pub off: u32,
    /// Databook name; instances of an array get their number appended.
    pub name: &'static str,
    /// Value after reset.
    pub reset: u32,
    /// Bits that software reads and writes.
    pub rw: u32,
    /// Bits that are cleared by writing one.
    pub w1c: u32,
    /// Bits that software sets and the hardware clears once it is done.
    pub sc: u32,
    /// Bits that are cleared by a read.
    pub rc: u32,
    /// Number of instances.
    pub count: u32,
    /// Distance between instances in bytes.
    pub stride: u32,
}

impl Def {
    /// A register without any writable bit.
    pub const fn ro(off: u32, name: &'static str, reset: u32) -> Def {
        Def {
            off,
            name,
            reset,
            rw: 0,
            w1c: 0,
            sc: 0,
            rc: 0,
            count: 1,
            stride: 0,
        }
    }

    /// A register with plain read-write bits.
    pub const fn rw(off: u32, name: &'static str, reset: u32, rw: u32) -> Def {
        let mut def = Def::ro(off, name, reset);
        def.rw = rw;
        def
    }

    /// Adds write-one-to-clear bits.
    pub const fn w1c(mut self, bits: u32) -> Def {
        self.w1c = bits;
        self
    }

    /// Adds self-clearing bits.
    pub const fn sc(mut self, bits: u32) -> Def {
        self.sc = bits;
        self
    }

    /// Adds read-to-clear bits.
    pub const fn rc(mut self, bits: u32) -> Def {
        self.rc = bits;
        self
    }

    /// Makes an array of `count` registers `stride` bytes apart.
    pub const fn array(mut self, count: u32, stride: u32) -> Def {
        self.count = count;
        self.stride = stride;
        self
    }
}

#[derive(Clone, Copy)]
struct Slot {
    def: Def,
    index: u32,
}

/// The register file: values and, for each existing register, its description.
pub struct RegFile {
    values: Vec<u32>,
    slots: Vec<Option<Slot>>,
}

impl RegFile {
    /// Makes a file of `size` bytes holding the registers of `defs`, at their reset values.
    ///
    /// A later definition of the same offset replaces an earlier one, so that a configuration can
    /// refine the generic table.
    pub fn new(size: u32, defs: &[Def]) -> RegFile {
        let words = (size / 4) as usize;
        let mut file = RegFile {
            values: vec![0; words],
            slots: vec![None; words],
        };
        for def in defs {
            for index in 0..def.count {
                let word = ((def.off + index * def.stride) / 4) as usize;
                if let Some(slot) = file.slots.get_mut(word) {
                    *slot = Some(Slot { def: *def, index });
                }
            }
        }
        file.reset();
        file
    }

    /// Puts every register back to its reset value.
    pub fn reset(&mut self) {
        for (value, slot) in self.values.iter_mut().zip(&self.slots) {
            *value = slot.map_or(0, |s| s.def.reset);
        }
    }

    fn word(&self, off: u32) -> Option<(usize, Slot)> {
        let word = (off / 4) as usize;
        self.slots.get(word).copied().flatten().map(|s| (word, s))
    }

    /// The stored value, without side effects. Zero where no register exists.
    pub fn get(&self, off: u32) -> u32 {
        self.values.get((off / 4) as usize).copied().unwrap_or(0)
    }

    /// Stores a value as the hardware does: access rules do not apply.
    pub fn set(&mut self, off: u32, value: u32) {
        if let Some(v) = self.values.get_mut((off / 4) as usize) {
            *v = value;
        }
    }

    /// All stored values.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// Puts back what [`RegFile::values`] gave.
    pub fn restore(&mut self, values: &[u32]) {
        self.values.copy_from_slice(values);
    }

    /// Sets bits as the hardware does.
    pub fn set_bits(&mut self, off: u32, bits: u32) {
        self.set(off, self.get(off) | bits);
    }

    /// Clears bits as the hardware does.
    pub fn clear_bits(&mut self, off: u32, bits: u32) {
        self.set(off, self.get(off) & !bits);
    }

    /// Adds to the saturating counter in the low `bits` bits of a register.
    pub fn count(&mut self, off: u32, shift: u32, bits: u32, overflow: u32) {
        let max = (1u32 << bits) - 1;
        let value = self.get(off);
        let field = (value >> shift) & max;
        if field == max {
            self.set(off, value & !(max << shift) | overflow);
        } else {
            self.set(off, value + (1 << shift));
        }
    }

    /// A read by software: returns the value and clears the read-to-clear bits.
    pub fn read(&mut self, off: u32) -> u32 {
        let Some((word, slot)) = self.word(off) else {
            return 0;
        };
        let value = self.values[word];
        self.values[word] &= !slot.def.rc;
        value
    }

    /// A write by software. Returns the old value and the self-clearing bits it set, or `None` if
    /// there is no such register. `lanes` has a one for each bit that the access carries.
    pub fn write(&mut self, off: u32, value: u32, lanes: u32) -> Option<Written> {
        let (word, slot) = self.word(off)?;
        let old = self.values[word];
        let def = slot.def;
        let rw = def.rw & lanes;
        let mut new = (old & !rw) | (value & rw);
        new &= !(value & def.w1c & lanes);
        self.values[word] = new;
        Some(Written {
            old,
            new,
            triggered: value & def.sc & lanes,
        })
    }

    /// The description of the register at an offset.
    pub fn def(&self, off: u32) -> Option<&Def> {
        let slot = self.slots.get((off / 4) as usize)?;
        slot.as_ref().map(|s| &s.def)
    }

    /// Name of the register at an offset.
    pub fn name(&self, off: u32) -> Option<String> {
        let (_, slot) = self.word(off)?;
        Some(if slot.def.count > 1 {
            format!("{}{}", slot.def.name, slot.index)
        } else {
            slot.def.name.to_string()
        })
    }

    /// Offsets of all existing registers.
    pub fn offsets(&self) -> impl Iterator<Item = u32> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, s)| s.is_some())
            .map(|(i, _)| i as u32 * 4)
    }
}

/// What a software write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Value before.
    pub old: u32,
    /// Value after.
    pub new: u32,
    /// Self-clearing bits that were written as one.
    pub triggered: u32,
}

impl Written {
    /// Bits of `mask` that went from zero to one.
    pub fn rising(&self, mask: u32) -> u32 {
        !self.old & self.new & mask
    }

    /// Bits of `mask` that went from one to zero.
    pub fn falling(&self, mask: u32) -> u32 {
        self.old & !self.new & mask
    }
}

/// Extracts a field of `bits` bits.
pub const fn field(value: u32, shift: u32, bits: u32) -> u32 {
    (value >> shift) & ((1 << bits) - 1)
}

/// A single bit.
pub const fn bit(n: u32) -> u32 {
    1 << n
}

/// Bits `high..=low`.
pub const fn mask(high: u32, low: u32) -> u32 {
    (u32::MAX >> (31 - high)) & (u32::MAX << low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> RegFile {
        RegFile::new(
            0x40,
            &[
                Def::ro(0x0, "RO", 0x1234_5678),
                Def::rw(0x4, "RW", 0xf0, 0xff),
                Def::rw(0x8, "ST", 0xffff, 0).w1c(0xff),
                Def::rw(0xc, "SC", 0, 0x10).sc(1),
                Def::ro(0x10, "RC", 0xabcd).rc(0xff),
                Def::rw(0x20, "ARR", 7, 0xf).array(3, 8),
            ],
        )
    }

    #[test]
    fn read_only_ignores_writes() {
        let mut f = file();
        f.write(0x0, 0, u32::MAX);
        assert_eq!(f.read(0x0), 0x1234_5678);
    }

    #[test]
    fn reserved_bits_stay_zero() {
        let mut f = file();
        f.write(0x4, u32::MAX, u32::MAX);
        assert_eq!(f.read(0x4), 0xff);
    }

    #[test]
    fn write_one_clears_only_its_bits() {
        let mut f = file();
        f.write(0x8, 0x0f0f, u32::MAX);
        assert_eq!(f.read(0x8), 0xfff0);
    }

    #[test]
    fn self_clearing_bit_is_reported_and_reads_zero() {
        let mut f = file();
        let w = f.write(0xc, 0x11, u32::MAX).unwrap();
        assert_eq!(w.triggered, 1);
        assert_eq!(f.read(0xc), 0x10);
    }

    #[test]
    fn read_clears() {
        let mut f = file();
        assert_eq!(f.read(0x10), 0xabcd);
        assert_eq!(f.read(0x10), 0xab00);
    }

    #[test]
    fn byte_lanes_leave_other_bytes_alone() {
        let mut f = file();
        f.write(0x8, 0xffff_ffff, 0x0000_000f);
        assert_eq!(f.get(0x8), 0xfff0);
    }

    #[test]
    fn holes_read_zero() {
        let mut f = file();
        assert!(f.write(0x14, 1, u32::MAX).is_none());
        assert_eq!(f.read(0x14), 0);
        assert_eq!(f.read(0x1000), 0);
    }

    #[test]
    fn arrays_and_reset() {
        let mut f = file();
        f.write(0x28, 0xff, u32::MAX);
        assert_eq!(f.get(0x28), 0xf);
        assert_eq!(f.name(0x28).unwrap(), "ARR1");
        f.reset();
        assert_eq!(f.get(0x28), 7);
    }

    #[test]
    fn counter_saturates_into_its_overflow_bit() {
        let mut f = file();
        f.set(0x10, 0);
        for _ in 0..3 {
            f.count(0x10, 0, 2, 0x80);
        }
        assert_eq!(f.get(0x10), 3);
        f.count(0x10, 0, 2, 0x80);
        assert_eq!(f.get(0x10), 0x80);
    }

    #[test]
    fn masks() {
        assert_eq!(mask(31, 0), u32::MAX);
        assert_eq!(mask(7, 4), 0xf0);
        assert_eq!(field(0x1234, 4, 8), 0x23);
    }
}
