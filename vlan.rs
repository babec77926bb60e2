// SPDX-License-Identifier: GPL-2.0

//! VLANs: which there are, and what the MAC is to do about their tags.
//!
//! Tags are inserted by a context descriptor and the first descriptor of a frame, and removed into
//! the last descriptor: see [`crate::tx`] and [`crate::rx`]. The MAC does not report the type of a
//! tag that it removes, so it removes customer tags only; and it inserts one type at a time.

use kernel::{
    net::{
        device::Features,
        skbuff::VlanProtocol, //
    },
    prelude::*, //
};

use crate::hwif;

/// VLAN identifiers that there are.
const COUNT: u16 = 4096;

// CAST: A small constant.
const WORDS: usize = COUNT as usize / 32;

/// A set of VLAN identifiers.
pub(crate) struct Vids([u32; WORDS]);

impl Vids {
    /// The empty set.
    pub(crate) const fn new() -> Self {
        Self([0; WORDS])
    }

    /// Adds or removes `vid`; `EINVAL` if it is none.
    pub(crate) fn set(&mut self, vid: u16, present: bool) -> Result {
        let word = self.0.get_mut(usize::from(vid / 32)).ok_or(EINVAL)?;
        // The upper bits, which chose the word, do not count here.
        let bit = 1u32.wrapping_shl(vid.into());
        if present {
            *word |= bit;
        } else {
            *word &= !bit;
        }
        Ok(())
    }

    /// All members in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..COUNT).filter(move |&vid| {
            let word = self.0.get(usize::from(vid / 32)).copied().unwrap_or(0);
            word & 1u32.wrapping_shl(vid.into()) != 0
        })
    }

    /// Number of members.
    pub(crate) fn len(&self) -> usize {
        // CAST: `u32` fits `usize` on every architecture of the kernel.
        self.0.iter().fold(0, |count: usize, word| {
            count.wrapping_add(word.count_ones() as usize)
        })
    }
}

/// What the user has set; kept because a reset of the MAC forgets it.
pub(crate) struct State {
    strip: bool,
    filter: bool,
    insert: VlanProtocol,
    vids: Vids,
    /// The MAC has a filter for `vids`, so that other tagged frames can be dropped.
    active: bool,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            strip: false,
            filter: false,
            insert: VlanProtocol::CTag,
            vids: Vids::new(),
            active: false,
        }
    }

    /// Takes over what concerns VLANs of the device's features. Returns whether that has changed.
    pub(crate) fn set_features(&mut self, features: Features) -> bool {
        let strip = features.contains(Features::HW_VLAN_CTAG_RX);
        let filter = features.contains(Features::HW_VLAN_CTAG_FILTER);
        let insert = if features.contains(Features::HW_VLAN_STAG_TX) {
            VlanProtocol::STag
        } else {
            VlanProtocol::CTag
        };
        let changed = (strip, filter, insert) != (self.strip, self.filter, self.insert);
        (self.strip, self.filter, self.insert) = (strip, filter, insert);
        changed
    }

    /// Lets frames of VLAN `vid` pass, or no longer. `EINVAL` if there is no such VLAN.
    pub(crate) fn set_vid(&mut self, vid: u16, present: bool) -> Result {
        self.vids.set(vid, present)
    }

    /// Programs the MAC.
    pub(crate) fn apply(
        &mut self,
        vlan: &dyn hwif::Vlan,
        io: hwif::Mmio<'_>,
        features: &hwif::Features,
    ) -> Result {
        // Unless all goes well, let everything pass.
        self.active = false;
        self.active = vlan.configure(
            io,
            features,
            &hwif::VlanSetup {
                strip: self.strip,
                insert: self.insert,
                filter: self.filter.then_some(&self.vids),
            },
        )?;
        Ok(())
    }

    /// Whether tagged frames that the filter does not know are to be dropped.
    pub(crate) fn is_filtering(&self) -> bool {
        self.active
    }
}

/// The features that a core with these capabilities has: (possible, on in the beginning).
pub(crate) fn features(caps: &hwif::Features) -> (Features, Features) {
    let mut possible = Features::HW_VLAN_CTAG_RX;
    if caps.sa_vlan_insertion {
        possible |= Features::HW_VLAN_CTAG_TX | Features::HW_VLAN_STAG_TX;
    }
    if caps.vlan_filters != 0 || caps.vlan_hash {
        possible |= Features::HW_VLAN_CTAG_FILTER;
    }
    (possible, fix_features(possible))
}

/// Of two features that exclude each other, keeps one.
pub(crate) fn fix_features(wanted: Features) -> Features {
    if wanted.contains(Features::HW_VLAN_CTAG_TX) {
        wanted - Features::HW_VLAN_STAG_TX
    } else {
        wanted
    }
}
