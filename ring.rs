// SPDX-License-Identifier: GPL-2.0

//! A ring of descriptors in coherent memory.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::{
        Coherent,
        DmaAddress, //
    },
    fmt,
    io::{
        io_project,
        io_read,
        io_write,
        IoBase,
        SysMem, //
    },
    prelude::*, //
};

use crate::{
    desc::Words,
    hwif::RingSetup, //
};

/// Fewest descriptors a ring may have: a frame of the most buffers must fit with room to spare.
pub(crate) const MIN_LEN: u32 = 64;

/// Most descriptors that the ring length registers hold.
pub(crate) const MAX_LEN: u32 = 1024;

/// Descriptors of a ring when the user does not say.
pub(crate) const DEFAULT_LEN: u32 = 512;

/// Bytes from one descriptor to the next.
const STRIDE: u64 = core::mem::size_of::<Words>() as u64;

/// Brings a requested length to one that a ring can have: a power of two in range.
pub(crate) fn round_len(wanted: u32) -> u32 {
    wanted
        .clamp(MIN_LEN, MAX_LEN)
        .checked_next_power_of_two()
        .unwrap_or(MAX_LEN)
}

/// Free-running position in a ring.
///
/// Wraps at 2^32, a multiple of every ring length, so differences stay right across the wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position(u32);

impl Position {
    /// Slot in a ring whose length is `mask + 1`.
    #[inline(always)]
    pub(crate) fn slot(self, mask: u32) -> u32 {
        self.0 & mask
    }

    /// The next position.
    #[inline(always)]
    pub(crate) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far `self` is ahead of `behind`.
    #[inline(always)]
    pub(crate) fn ahead_of(self, behind: Self) -> u32 {
        self.0.wrapping_sub(behind.0)
    }

    /// A position that wraps soon, for tests.
    #[cfg(CONFIG_RUST_STMMAC_KUNIT_TEST)]
    pub(crate) const fn new(raw: u32) -> Self {
        Self(raw)
    }
}

/// Index of the descriptor whose bus address ends in `low`, if it is one of the ring.
pub(crate) fn index_of(ring: &RingSetup, low: u32) -> Option<u32> {
    // CAST: Truncates, as intended: a ring does not cross a boundary of 4 GiB.
    let index = low.wrapping_sub(ring.base as u32) / STRIDE as u32;

    (index < ring.len).then_some(index)
}

/// What a report shows of a ring: where driver and DMA are, and the descriptors around the DMA.
pub(crate) struct View {
    /// Descriptors in the ring.
    pub(crate) len: u32,
    /// Where the driver hands descriptors over.
    pub(crate) head: u32,
    /// Where the driver takes them back.
    pub(crate) tail: u32,
    /// Where the DMA is; none if it has not begun.
    pub(crate) dma: Option<u32>,
    descriptors: [Words; Self::SHOWN],
}

impl View {
    /// Descriptors shown, half of them before the DMA.
    const SHOWN: usize = 16;

    /// Takes a look by `load` at the ring that is at `ring`, whose DMA is at the address that ends
    /// in `dma`.
    pub(crate) fn new(
        ring: &RingSetup,
        dma: u32,
        head: u32,
        tail: u32,
        load: impl Fn(u32) -> Words,
    ) -> Self {
        let mut view = Self {
            len: ring.len,
            head,
            tail,
            dma: index_of(ring, dma),
            descriptors: Default::default(),
        };
        for (i, index) in view.indices().enumerate() {
            if let Some(words) = view.descriptors.get_mut(i) {
                *words = load(index);
            }
        }
        view
    }

    fn indices(&self) -> impl Iterator<Item = u32> {
        let len = self.len;
        // CAST: A small constant.
        let first = self
            .dma
            .unwrap_or(self.tail)
            .wrapping_sub(Self::SHOWN as u32 / 2);

        (0..Self::SHOWN as u32)
            .map(move |i| first.wrapping_add(i).checked_rem(len).unwrap_or_default())
    }

    /// The descriptors, each with its index.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (u32, &Words)> {
        self.indices().zip(self.descriptors.iter())
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "length {} head {} tail {}",
            self.len, self.head, self.tail
        )?;
        if let Some(dma) = self.dma {
            write!(f, " dma {}", dma)?;
        }
        for (index, [des0, des1, des2, des3]) in self.descriptors() {
            write!(
                f,
                "\n  {:4}: {:08x} {:08x} {:08x} {:08x}",
                index, des0, des1, des2, des3
            )?;
        }
        Ok(())
    }
}

/// Descriptors that driver and DMA share.
///
/// Which side may write a descriptor is told by its OWN bit; this type does not enforce it. Words
/// are little-endian in memory.
pub(crate) struct DescRing {
    mem: Coherent<[Words]>,
    base: DmaAddress,
    mask: u32,
}

impl DescRing {
    /// Allocates `len` descriptors, a power of two, that belong to the driver.
    pub(crate) fn new(dev: &Device<Bound>, len: u32) -> Result<Self> {
        if !len.is_power_of_two() {
            return Err(EINVAL);
        }
        let mem = Coherent::<Words>::zeroed_slice(dev, len.try_into()?, GFP_KERNEL)?;
        Ok(Self {
            base: mem.dma_address(),
            mem,
            mask: len - 1,
        })
    }

    /// Descriptors in the ring.
    pub(crate) fn len(&self) -> u32 {
        self.mask.wrapping_add(1)
    }

    /// Length less one.
    #[inline(always)]
    pub(crate) fn mask(&self) -> u32 {
        self.mask
    }

    /// Bus address of the descriptor at `index`, taken modulo the length.
    #[inline(always)]
    pub(crate) fn addr(&self, index: u32) -> u64 {
        // Cannot overflow: the ring's memory is addressable.
        self.base
            .wrapping_add(u64::from(index & self.mask).wrapping_mul(STRIDE))
    }

    /// The ring as plain memory: its bus addresses are computed by [`DescRing::addr`] only.
    #[inline(always)]
    fn words(&self) -> SysMem<'_, [Words]> {
        (&self.mem).as_view().as_sys_mem()
    }

    /// Stores one word. An index beyond the ring is ignored; callers mask.
    #[inline(always)]
    pub(crate) fn store_word(&self, index: u32, word: usize, value: u32) {
        let _ = self.try_store_word(index, word, value);
    }

    #[inline(always)]
    fn try_store_word(&self, index: u32, word: usize, value: u32) -> Result {
        // CAST: `u32` fits `usize` on every architecture of the kernel.
        io_write!(self.words(), [try: index as usize][try: word], value.to_le());
        Ok(())
    }

    /// Stores a whole descriptor.
    #[inline(always)]
    pub(crate) fn store(&self, index: u32, words: &Words) {
        let _ = self.try_store(index, words, usize::MAX);
    }

    /// Stores all words but `held_back`.
    #[inline(always)]
    pub(crate) fn store_except(&self, index: u32, words: &Words, held_back: usize) {
        let _ = self.try_store(index, words, held_back);
    }

    #[inline(always)]
    fn try_store(&self, index: u32, words: &Words, held_back: usize) -> Result {
        // CAST: As in `try_store_word()`.
        let desc = io_project!(self.words(), [try: index as usize]);
        for (i, word) in words.iter().enumerate() {
            if i != held_back {
                io_write!(desc, [try: i], word.to_le());
            }
        }
        Ok(())
    }

    /// Loads one word; an index beyond the ring reads as zero.
    #[inline(always)]
    pub(crate) fn load_word(&self, index: u32, word: usize) -> u32 {
        self.try_load_word(index, word).unwrap_or(0)
    }

    #[inline(always)]
    fn try_load_word(&self, index: u32, word: usize) -> Result<u32> {
        // CAST: As in `try_store_word()`.
        Ok(u32::from_le(
            io_read!(self.words(), [try: index as usize][try: word]),
        ))
    }

    /// Loads a whole descriptor, whoever has it.
    pub(crate) fn load(&self, index: u32) -> Words {
        let mut words = Words::default();
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.load_word(index, i);
        }
        words
    }

    /// Loads a descriptor of which word `known` has been loaded: `value`.
    #[inline(always)]
    pub(crate) fn load_rest(&self, index: u32, known: usize, value: u32) -> Words {
        let mut words = Words::default();
        for (i, word) in words.iter_mut().enumerate() {
            *word = if i == known {
                value
            } else {
                self.load_word(index, i)
            };
        }
        words
    }
}
