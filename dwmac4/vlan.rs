// SPDX-License-Identifier: GPL-2.0

//! VLAN tags: insertion, removal, and the receive filter.

use kernel::{
    io::Io,
    net::skbuff::VlanProtocol,
    num::Bounded,
    prelude::*,
    time::Delta, //
};

use super::regs::*;
use crate::{
    hwif::{
        self,
        Features,
        Mmio,
        VlanSetup, //
    },
    vlan::Vids, //
};

/// An access to a filter entry takes a few cycles of the receive clock.
const ENTRY_TIMEOUT: Delta = Delta::from_millis(10);

/// EVLS: strip what the filter lets pass.
const STRIP_PASSED: u32 = 1;

/// EVLS: always strip.
const STRIP_ALWAYS: u32 = 3;

/// How the receive filter is expressed in hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterPlan {
    /// Not at all: every tagged frame passes.
    Off,
    /// By an extended filter each.
    Extended,
    /// By the only VLAN that a core without extended filters compares with.
    Single(u16),
    /// By a hash table.
    Hash {
        /// The table.
        table: u16,
        /// What a core without extended filters compares with as well.
        vid: u16,
    },
}

/// A VLAN that must not be on any wire.
const RESERVED_VID: u16 = 0xfff;

impl FilterPlan {
    /// Plans for a core with `filters` extended filters and perhaps a hash table.
    pub(crate) fn new(filters: u32, hash: bool, vids: Option<&Vids>) -> Self {
        let Some(vids) = vids else {
            return Self::Off;
        };
        let (filters, count) = (usize::try_from(filters).unwrap_or(0), vids.len());

        match (count, vids.iter().next()) {
            // No VLAN, no need for a filter.
            (0, _) => Self::Off,
            (count, _) if count <= filters => Self::Extended,
            // Zero would mean all VLANs.
            (1, Some(vid)) if filters == 0 && vid != 0 => Self::Single(vid),
            _ if hash => Self::Hash {
                table: vids.iter().fold(0, |table, vid| {
                    table | 1u16.wrapping_shl(hash_index(vid).into())
                }),
                // As above: one that passes anyway, or one that does not come.
                vid: vids.iter().find(|&vid| vid != 0).unwrap_or(RESERVED_VID),
            },
            _ => Self::Off,
        }
    }
}

/// Bit of the hash table that stands for `vid`: the upper bits of the complemented CRC-32 over its
/// 12 bits, least significant bit first.
pub(crate) fn hash_index(vid: u16) -> u8 {
    const POLYNOMIAL: u32 = 0x04c1_1db7;

    let crc = (0..12u32).fold(u32::MAX, |crc, bit| {
        if crc >> 31 != u32::from(vid.wrapping_shr(bit) & 1) {
            (crc << 1) ^ POLYNOMIAL
        } else {
            crc << 1
        }
    });
    let [top, ..] = (!crc).to_be_bytes();

    top >> 4
}

/// The VLAN part of the MAC of all releases.
pub(super) struct Vlan;

impl Vlan {
    /// Writes entry `index` of the extended filters.
    fn write_entry(io: Mmio<'_>, index: u32, entry: MAC_VLAN_TAG_DATA) -> Result {
        let index = Bounded::try_new(index).ok_or(EINVAL)?;

        io.write_reg(entry);
        io.update(MAC_VLAN_TAG_CTRL, |r| {
            r.with_ofs(index).with_ct(false).with_ob(true)
        });
        hwif::wait_until(
            || Ok(io.read(MAC_VLAN_TAG_CTRL)),
            |r| !r.ob(),
            hwif::POLL_INTERVAL,
            ENTRY_TIMEOUT,
        )?;

        Ok(())
    }

    /// Writes all entries of the extended filters: first `vids`, of `service` tags or of customer
    /// tags, then none.
    fn write_entries(
        io: Mmio<'_>,
        filters: u32,
        service: bool,
        mut vids: impl Iterator<Item = u16>,
    ) -> Result {
        (0..filters).try_for_each(|index| {
            let entry = match vids.next() {
                Some(vid) => MAC_VLAN_TAG_DATA::zeroed()
                    .with_ersvlm(service)
                    .with_ven(true)
                    .with_etv(true)
                    .with_vid(vid),
                None => MAC_VLAN_TAG_DATA::zeroed(),
            };
            Self::write_entry(io, index, entry)
        })
    }
}

impl hwif::Vlan for Vlan {
    fn configure(&self, io: Mmio<'_>, features: &Features, setup: &VlanSetup<'_>) -> Result<bool> {
        let plan = FilterPlan::new(features.vlan_filters, features.vlan_hash, setup.filter);

        if features.sa_vlan_insertion {
            // The descriptor says whether, and which tag.
            io.write_reg(
                MAC_VLAN_INCL::zeroed()
                    .with_vlti(true)
                    .with_csvl(setup.insert == VlanProtocol::STag),
            );
        }

        let service = setup.protocol == VlanProtocol::STag;
        let mut control = MAC_VLAN_TAG_CTRL::zeroed()
            .with_esvl(service)
            .with_ersvlm(service);
        if setup.strip {
            // With ESVL, both types count as tags; filters look at one.
            control = if service {
                control.with_const_evls::<STRIP_PASSED>()
            } else {
                control.with_const_evls::<STRIP_ALWAYS>()
            }
            .with_evlrxs(true);
        }
        match plan {
            FilterPlan::Single(vid) => control = control.with_etv(true).with_vl(vid),
            FilterPlan::Hash { table, vid } => {
                io.write_reg(MAC_VLAN_HASH_TABLE::zeroed().with_vlht(table));
                control = control.with_etv(true).with_vthm(true);
                if features.vlan_filters == 0 {
                    control = control.with_vl(vid);
                }
            }
            // All are to pass. The only VLAN that a core without extended filters compares with is
            // zero, which is any.
            FilterPlan::Off if service && setup.strip && features.vlan_filters != 0 => {
                io.write_reg(MAC_VLAN_HASH_TABLE::zeroed().with_vlht(u16::MAX));
                control = control.with_etv(true).with_vthm(true);
            }
            FilterPlan::Off | FilterPlan::Extended => {}
        }

        // What takes over is complete before what it replaces goes, so that no frame is lost.
        match setup.filter {
            Some(vids) if plan == FilterPlan::Extended => {
                Self::write_entries(io, features.vlan_filters, service, vids.iter())?;
                io.write_reg(control);
            }
            _ => {
                io.write_reg(control);
                Self::write_entries(io, features.vlan_filters, service, core::iter::empty())?;
            }
        }

        Ok(plan != FilterPlan::Off)
    }
}
