// SPDX-License-Identifier: GPL-2.0

//! VLAN tags: insertion, replacement and deletion in packets to send; filters, status and
//! stripping of received ones.

use crate::regs::gmac4::*;
use crate::regs::{bit, field};

/// EtherType of a C-VLAN tag.
pub const C_VLAN: u16 = 0x8100;
/// EtherType of an S-VLAN tag.
pub const S_VLAN: u16 = 0x88a8;

const AT: usize = 12;
const LEN: usize = 4;

/// A tag: its type, and the control information behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// [`C_VLAN`] or [`S_VLAN`].
    pub tpid: u16,
    /// Priority, DEI and identifier.
    pub tci: u16,
}

impl Tag {
    fn read(data: &[u8], at: usize, svlan: bool) -> Option<Tag> {
        let word = |at: usize| Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
        let tpid = word(at)?;
        if tpid == C_VLAN || (svlan && tpid == S_VLAN) {
            Some(Tag {
                tpid,
                tci: word(at + 2)?,
            })
        } else {
            None
        }
    }

    fn bytes(self) -> [u8; LEN] {
        let (t, c) = (self.tpid.to_be_bytes(), self.tci.to_be_bytes());
        [t[0], t[1], c[0], c[1]]
    }
}

/// What is done to a tag of a packet to send, as VLC, VTIR and IVTIR encode it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// It stays.
    #[default]
    Keep,
    /// It goes, if there is one.
    Delete,
    /// A tag is put before it, or where it would be.
    Insert(Tag),
    /// It gives way to another, if there is one.
    Replace(Tag),
}

impl Change {
    /// Decodes the two bits of a control field.
    pub fn new(code: u32, tag: Tag) -> Change {
        match code {
            1 => Change::Delete,
            2 => Change::Insert(tag),
            3 => Change::Replace(tag),
            _ => Change::Keep,
        }
    }

    fn apply(self, old: Option<Tag>) -> impl Iterator<Item = Tag> {
        let (new, old) = match self {
            Change::Keep => (None, old),
            Change::Delete => (None, None),
            Change::Insert(tag) => (Some(tag), old),
            Change::Replace(tag) => (old.map(|_| tag), None),
        };
        new.into_iter().chain(old)
    }
}

/// Changes the tags of a packet to send. Positions are those of the packet as it came from memory.
pub fn change(data: &mut Vec<u8>, outer: Change, inner: Change) {
    if (outer, inner) == (Change::Keep, Change::Keep) || data.len() < AT {
        return;
    }
    let first = Tag::read(data, AT, true);
    let second = first.and_then(|_| Tag::read(data, AT + LEN, true));
    let end = AT + LEN * (usize::from(first.is_some()) + usize::from(second.is_some()));
    let tags: Vec<u8> = outer
        .apply(first)
        .chain(inner.apply(second))
        .flat_map(Tag::bytes)
        .collect();
    data.splice(AT..end, tags);
}

/// Bit of the hash table for a tag of which `bits` count: the upper four of the bit-reversed CRC.
pub fn hash_index(tag: u16, bits: u32) -> u32 {
    let mut crc = u32::MAX;
    for i in 0..bits {
        let b = u32::from(tag >> i) & 1;
        let low = crc & 1;
        crc >>= 1;
        if low ^ b != 0 {
            crc ^= 0xedb8_8320;
        }
    }
    (!crc).reverse_bits() >> 28
}

/// What the receiver reads; taken from the registers.
pub struct Receiver<'a> {
    /// MAC_VLAN_Tag, or MAC_VLAN_Tag_Ctrl of a core with extended filters.
    pub control: u32,
    /// MAC_VLAN_Tag_Filter0 and further ones; empty on a core with the single filter.
    pub filters: &'a [u32],
    /// MAC_VLAN_Hash_Table, if there is one.
    pub hash: Option<u16>,
}

/// What the receiver found out about a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The tag behind the addresses.
    pub outer: Option<Tag>,
    /// The tag behind that one; only with double VLAN processing.
    pub inner: Option<Tag>,
    /// Whether the filters passed each tag; `None` if no filter looked at it.
    pub result: [Option<bool>; 2],
    /// Which tags are taken out.
    pub strip: [bool; 2],
    /// RDES0, if a tag goes there.
    pub rdes0: Option<u32>,
}

impl Received {
    /// Whether the VLAN filter rejects the packet.
    pub fn fails(&self) -> bool {
        !self.result.contains(&Some(true)) && self.result.contains(&Some(false))
    }

    /// Status bits of RDES2: the filters passed the outer tag, and the inner one.
    pub fn rdes2(&self) -> u32 {
        let passed = |i: usize| u32::from(self.result[i] == Some(true));
        passed(0) << 15 | passed(1) << 14
    }

    /// Takes out the tags that are to be stripped.
    pub fn strip(&self, data: &mut Vec<u8>) {
        // The inner one first: that leaves the other where it is.
        for (i, strip) in self.strip.into_iter().enumerate().rev() {
            let at = AT + i * LEN;
            if strip && data.len() >= at + LEN {
                data.drain(at..at + LEN);
            }
        }
    }
}

/// One perfect filter.
struct Rule {
    value: u16,
    /// Compare the identifier only.
    vid: bool,
    any_type: bool,
    svlan: bool,
    inner: bool,
}

impl Rule {
    /// The tag that it looks at, if the packet has it.
    fn tag(&self, tags: [Option<Tag>; 2]) -> Option<Tag> {
        tags[usize::from(self.inner)].filter(|t| self.any_type || (t.tpid == S_VLAN) == self.svlan)
    }

    fn matches(&self, tag: Tag) -> bool {
        let mask = if self.vid { 0xfff } else { 0xffff };
        (tag.tci ^ self.value) & mask == 0
    }
}

/// Combines results: one that passes is enough.
fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a || b),
        (a, b) => a.or(b),
    }
}

impl Receiver<'_> {
    fn c(&self, b: u32) -> bool {
        self.control & b != 0
    }

    /// The rule that MAC_VLAN_Tag itself holds; the hash filter takes all but the value from it.
    fn own_rule(&self) -> Rule {
        Rule {
            value: self.control as u16,
            vid: self.c(VLAN_ETV),
            any_type: self.c(VLAN_DOVLTC),
            svlan: self.c(VLAN_ERSVLM),
            inner: self.c(VLAN_ERIVLT) && self.c(VLAN_EDVLP),
        }
    }

    fn perfect(&self, tags: [Option<Tag>; 2]) -> [Option<bool>; 2] {
        let mut result = [None; 2];
        if self.filters.is_empty() {
            let rule = self.own_rule();
            if let Some(tag) = rule.tag(tags) {
                let mask = if rule.vid { 0xfff } else { 0xffff };
                // An identifier of zero stands for every one.
                result[usize::from(rule.inner)] =
                    Some(rule.value & mask == 0 || rule.matches(tag) != self.c(VLAN_VTIM));
            }
            return result;
        }
        for f in self.filters.iter().filter(|f| **f & VLAN_DATA_VEN != 0) {
            let rule = Rule {
                value: *f as u16,
                vid: f & VLAN_DATA_ETV != 0,
                any_type: f & VLAN_DATA_DOVLTC != 0,
                svlan: f & VLAN_DATA_ERSVLM != 0,
                inner: f & VLAN_DATA_ERIVLT != 0 && self.c(VLAN_EDVLP),
            };
            if let Some(tag) = rule.tag(tags) {
                let r = &mut result[usize::from(rule.inner)];
                *r = either(*r, Some(rule.matches(tag)));
            }
        }
        if self.c(VLAN_VTIM) {
            result = result.map(|r| r.map(|r| !r));
        }
        result
    }

    fn hashed(&self, tags: [Option<Tag>; 2]) -> [Option<bool>; 2] {
        let mut result = [None; 2];
        let rule = self.own_rule();
        if let (Some(table), true, Some(tag)) = (self.hash, self.c(VLAN_VTHM), rule.tag(tags)) {
            let bits = if rule.vid { 12 } else { 16 };
            let hit = u32::from(table) & bit(hash_index(tag.tci, bits)) != 0;
            result[usize::from(rule.inner)] = Some(hit);
        }
        result
    }

    /// Looks at a packet.
    pub fn look(&self, data: &[u8]) -> Received {
        let outer = Tag::read(data, AT, self.c(VLAN_ESVL));
        let inner = outer
            .filter(|_| self.c(VLAN_EDVLP))
            .and_then(|_| Tag::read(data, AT + LEN, self.c(VLAN_ESVL)));
        let tags = [outer, inner];
        let (perfect, hashed) = (self.perfect(tags), self.hashed(tags));
        let result = [either(perfect[0], hashed[0]), either(perfect[1], hashed[1])];
        let strip = |i: usize, shift: u32| {
            tags[i].is_some()
                && match field(self.control, shift, 2) {
                    1 => result[i] == Some(true),
                    2 => result[i] == Some(false),
                    3 => true,
                    _ => false,
                }
        };
        let shown = |i: usize, b: u32| tags[i].filter(|_| self.c(b)).map(|t| u32::from(t.tci));
        let (ovt, ivt) = (shown(0, VLAN_EVLRXS), shown(1, VLAN_EIVLRXS));
        let rdes0 = (ovt.is_some() || ivt.is_some())
            .then(|| ovt.unwrap_or_default() | ivt.unwrap_or_default() << 16);
        Received {
            outer,
            inner,
            result,
            strip: [strip(0, 21), strip(1, 28)],
            rdes0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(tags: &[Tag], body: &[u8]) -> Vec<u8> {
        let mut d = vec![7; 12];
        d.extend(tags.iter().flat_map(|t| t.bytes()));
        d.extend_from_slice(&[0x08, 0x00]);
        d.extend_from_slice(body);
        d
    }

    fn tag(tpid: u16, tci: u16) -> Tag {
        Tag { tpid, tci }
    }

    fn receiver(control: u32, filters: &[u32], hash: Option<u16>) -> Receiver<'_> {
        Receiver {
            control,
            filters,
            hash,
        }
    }

    const STRIP_BOTH: u32 = 3 << 21 | 3 << 28 | VLAN_EDVLP | VLAN_ESVL | VLAN_EVLRXS | VLAN_EIVLRXS;

    fn arb_tag() -> impl Strategy<Value = Tag> {
        (any::<bool>(), any::<u16>()).prop_map(|(s, tci)| tag(if s { S_VLAN } else { C_VLAN }, tci))
    }

    proptest! {
        #[test]
        fn insertion_then_stripping_is_the_identity(
            outer in arb_tag(),
            inner in proptest::option::of(arb_tag()),
            body in proptest::collection::vec(any::<u8>(), 46..200),
        ) {
            let plain = packet(&[], &body);
            let mut d = plain.clone();
            change(&mut d, Change::Insert(outer), inner.map_or(Change::Keep, Change::Insert));
            let r = receiver(STRIP_BOTH, &[], None).look(&d);
            prop_assert_eq!(r.outer, Some(outer));
            prop_assert_eq!(r.inner, inner);
            let want = u32::from(outer.tci) | inner.map_or(0, |t| u32::from(t.tci) << 16);
            prop_assert_eq!(r.rdes0, Some(want));
            r.strip(&mut d);
            prop_assert_eq!(&d, &plain);
        }

        #[test]
        fn garbage_never_panics(
            data in proptest::collection::vec(any::<u8>(), 0..40),
            control: u32, filters in proptest::collection::vec(any::<u32>(), 0..4),
            hash: Option<u16>, code in 0u32..4,
        ) {
            let mut d = data;
            let t = tag(C_VLAN, 1);
            change(&mut d, Change::new(code, t), Change::new(3 - code, t));
            let r = receiver(control, &filters, hash).look(&d);
            r.strip(&mut d);
            let _ = r.fails();
        }
    }

    #[test]
    fn changes() {
        let (a, b, new) = (tag(S_VLAN, 1), tag(C_VLAN, 2), tag(C_VLAN, 9));
        let body = [1; 50];
        let run = |tags: &[Tag], outer, inner| {
            let mut d = packet(tags, &body);
            change(&mut d, outer, inner);
            d
        };
        use Change::{Delete, Insert, Keep, Replace};
        for (tags, outer, inner, want) in [
            (&[][..], Insert(new), Keep, &[new][..]),
            (&[], Replace(new), Delete, &[]),
            (&[], Delete, Keep, &[]),
            (&[b], Insert(new), Keep, &[new, b]),
            (&[b], Replace(new), Keep, &[new]),
            (&[b], Delete, Keep, &[]),
            // One tag is an outer one.
            (&[b], Keep, Delete, &[b]),
            (&[b], Keep, Insert(new), &[b, new]),
            (&[a, b], Keep, Delete, &[a]),
            (&[a, b], Delete, Replace(new), &[new]),
            (&[a, b], Replace(new), Keep, &[new, b]),
        ] {
            assert_eq!(
                run(tags, outer, inner),
                packet(want, &body),
                "{tags:?} {outer:?} {inner:?}"
            );
        }
    }

    #[test]
    fn the_single_filter() {
        let d = packet(&[tag(C_VLAN, 0x6123)], &[0; 46]);
        let fails = |control| receiver(control, &[], None).look(&d).fails();
        assert!(!fails(0));
        assert!(!fails(VLAN_ETV | 0x123));
        assert!(fails(0x123));
        assert!(!fails(0x6123));
        assert!(fails(VLAN_ETV | 0x124));
        assert!(!fails(VLAN_ETV | 0x124 | VLAN_VTIM));
        assert!(fails(VLAN_ETV | 0x123 | VLAN_VTIM));
        // A filter for S-VLANs does not look at this one.
        assert!(!fails(VLAN_ETV | 0x124 | VLAN_ERSVLM));
        assert!(fails(VLAN_ETV | 0x124 | VLAN_ERSVLM | VLAN_DOVLTC));
        // Nor does any at an untagged packet, or at an S-VLAN that is none without ESVL.
        let plain = packet(&[], &[0; 46]);
        let s = packet(&[tag(S_VLAN, 1)], &[0; 46]);
        for d in [plain, s] {
            let r = receiver(VLAN_ETV | 0x124 | STRIP_BOTH & !VLAN_ESVL, &[], None).look(&d);
            assert_eq!(r, Received::default());
        }
    }

    #[test]
    fn extended_filters() {
        let filters = [
            VLAN_DATA_VEN | VLAN_DATA_ETV | 5,
            0,
            VLAN_DATA_VEN | VLAN_DATA_ETV | VLAN_DATA_ERIVLT | 6,
            VLAN_DATA_ETV | 7,
        ];
        let look =
            |control, tags: &[Tag]| receiver(control, &filters, None).look(&packet(tags, &[0; 46]));
        let c = |vid| tag(C_VLAN, vid);
        assert_eq!(look(0, &[c(5)]).result, [Some(true), None]);
        assert_eq!(look(0, &[c(5)]).rdes2(), bit(15));
        assert!(look(0, &[c(7)]).fails());
        // Without double VLAN processing the inner one of a filter is the outer.
        assert!(!look(0, &[c(6)]).fails());
        let r = look(VLAN_EDVLP, &[c(9), c(6)]);
        assert_eq!(r.result, [Some(false), Some(true)]);
        assert!(!r.fails());
        assert_eq!(r.rdes2(), bit(14));
        assert!(look(VLAN_EDVLP, &[c(9), c(5)]).fails());
        assert!(look(VLAN_VTIM, &[c(5)]).fails());
        // Stripping follows the result of its own tag.
        let r = look(VLAN_EDVLP | 1 << 21 | 2 << 28, &[c(5), c(1)]);
        assert_eq!(r.strip, [true, true]);
        let r = look(VLAN_EDVLP | 1 << 21 | 2 << 28, &[c(4), c(6)]);
        assert_eq!(r.strip, [false, false]);
    }

    #[test]
    fn hash_filter() {
        // CRC-32 of the bits alone, by the table-driven implementation where that is possible.
        let whole = crc32fast::hash(&0x1234u16.to_le_bytes()).reverse_bits() >> 28;
        assert_eq!(hash_index(0x1234, 16), whole);
        let table = 1 << hash_index(0x123, 12);
        let filters = [0; 4];
        let fails = |control, vid| {
            receiver(control, &filters, Some(table))
                .look(&packet(&[tag(C_VLAN, vid)], &[0; 46]))
                .fails()
        };
        let on = VLAN_VTHM | VLAN_ETV;
        assert!(!fails(on, 0x123));
        assert!(!fails(on, 0xe123));
        assert!(fails(on, 0x124));
        assert!(!fails(VLAN_ETV, 0x124));
        assert!(!fails(on | VLAN_ERSVLM, 0x124));
    }
}
