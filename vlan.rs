// SPDX-License-Identifier: GPL-2.0

//! VLANs: which there are, and what the MAC is to do about their tags.
//!
//! Tags are inserted by a context descriptor and the first descriptor of a frame, and removed into
//! the last descriptor: see [`crate::tx`] and [`crate::rx`]. The MAC does not report the type of a
//! tag that it removes, so it removes, and filters by, one type at a time; and it inserts one.

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
    /// Type of the received tags that `strip` and `filter` are about.
    protocol: VlanProtocol,
    strip: bool,
    filter: bool,
    insert: VlanProtocol,
    c_vids: Vids,
    s_vids: Vids,
    /// What the receive rings take removed tags for; none while that changes.
    rings: Option<VlanProtocol>,
    /// The MAC has a filter, so that other frames with such tags can be dropped.
    active: bool,
}

impl State {
    pub(crate) const fn new() -> Self {
        Self {
            protocol: VlanProtocol::CTag,
            strip: false,
            filter: false,
            insert: VlanProtocol::CTag,
            c_vids: Vids::new(),
            s_vids: Vids::new(),
            rings: Some(VlanProtocol::CTag),
            active: false,
        }
    }

    /// Takes over what concerns VLANs of the device's features. Returns whether that has changed.
    pub(crate) fn set_features(&mut self, features: Features) -> bool {
        let protocol = rx_protocol(features);
        let (strip, filter) = match protocol {
            VlanProtocol::CTag => (Features::HW_VLAN_CTAG_RX, Features::HW_VLAN_CTAG_FILTER),
            VlanProtocol::STag => (Features::HW_VLAN_STAG_RX, Features::HW_VLAN_STAG_FILTER),
        };
        let strip = features.contains(strip) && self.rings == Some(protocol);
        let filter = features.contains(filter);
        let insert = if features.contains(Features::HW_VLAN_STAG_TX) {
            VlanProtocol::STag
        } else {
            VlanProtocol::CTag
        };
        let changed = (protocol, strip, filter, insert)
            != (self.protocol, self.strip, self.filter, self.insert);
        (self.protocol, self.strip, self.filter, self.insert) = (protocol, strip, filter, insert);
        changed
    }

    /// Tells what receive rings take removed tags for; none if that is about to change. Counts from
    /// the next [`State::set_features`] on: no tag is removed that they would take for another.
    pub(crate) fn set_rings(&mut self, protocol: Option<VlanProtocol>) {
        self.rings = protocol;
    }

    /// Lets frames of VLAN `vid` pass, or no longer. `EINVAL` if there is no such VLAN.
    pub(crate) fn set_vid(&mut self, protocol: VlanProtocol, vid: u16, present: bool) -> Result {
        match protocol {
            VlanProtocol::CTag => self.c_vids.set(vid, present),
            VlanProtocol::STag => {
                self.s_vids.set(vid, present)?;
                // Tags with nothing but a priority: the stack has VLAN 0 pass itself, but only with
                // customer tags.
                let any = self.s_vids.iter().any(|vid| vid != 0);
                self.s_vids.set(0, any)
            }
        }
    }

    /// Forgets VLANs that there is no filter for with `features`: the stack takes away those of one
    /// type only after it has switched to the other, if at all.
    pub(crate) fn forget_vids(&mut self, features: Features) {
        if !features.contains(Features::HW_VLAN_CTAG_FILTER) {
            self.c_vids = Vids::new();
        }
        if !features.contains(Features::HW_VLAN_STAG_FILTER) {
            self.s_vids = Vids::new();
        }
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
        let vids = match self.protocol {
            VlanProtocol::CTag => &self.c_vids,
            VlanProtocol::STag => &self.s_vids,
        };
        self.active = vlan.configure(
            io,
            features,
            &hwif::VlanSetup {
                protocol: self.protocol,
                strip: self.strip,
                insert: self.insert,
                filter: self.filter.then_some(vids),
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
        // Who knows one type only takes all tags for that.
        if caps.double_vlan {
            possible |= Features::HW_VLAN_STAG_FILTER;
        }
    }
    // Service tags are removed if they pass a filter, so that customer tags stay.
    if caps.double_vlan && caps.vlan_hash {
        possible |= Features::HW_VLAN_STAG_RX;
    }
    (possible, fix_features(possible))
}

/// Of features that exclude each other, keeps those for customer tags.
pub(crate) fn fix_features(mut wanted: Features) -> Features {
    if wanted.contains(Features::HW_VLAN_CTAG_TX) {
        wanted = wanted - Features::HW_VLAN_STAG_TX;
    }
    if wanted.intersects(Features::HW_VLAN_CTAG_RX | Features::HW_VLAN_CTAG_FILTER) {
        wanted = wanted - Features::HW_VLAN_STAG_RX - Features::HW_VLAN_STAG_FILTER;
    }
    wanted
}

/// Type of the tags that are removed with `features`, if any are.
pub(crate) fn removed(features: Features) -> Option<VlanProtocol> {
    if features.contains(Features::HW_VLAN_CTAG_RX) {
        Some(VlanProtocol::CTag)
    } else if features.contains(Features::HW_VLAN_STAG_RX) {
        Some(VlanProtocol::STag)
    } else {
        None
    }
}

/// Type of the received tags that `features` are about.
pub(crate) fn rx_protocol(features: Features) -> VlanProtocol {
    if features.intersects(Features::HW_VLAN_STAG_RX | Features::HW_VLAN_STAG_FILTER) {
        VlanProtocol::STag
    } else {
        VlanProtocol::CTag
    }
}
