// SPDX-License-Identifier: GPL-2.0

//! ARP offload: the MAC answers requests for one IPv4 address.

use crate::gmac::Gmac;
use crate::regs::gmac4::*;

/// Length of an ARP packet for IPv4 over Ethernet.
const LEN: usize = 28;

/// The ARP request in a frame: IPv4 over Ethernet, without a VLAN tag.
fn request(data: &[u8]) -> Option<&[u8]> {
    let arp = data.get(14..14 + LEN)?;
    let head = [0, 1, 0x08, 0x00, 6, 4, 0, 1];
    (data[12..14] == [0x08, 0x06] && arp[..8] == head).then_some(arp)
}

/// The answer of `mac` and `ip` to a frame, if it asks for them.
pub fn reply(data: &[u8], mac: [u8; 6], ip: u32) -> Option<Vec<u8>> {
    let arp = request(data)?;
    if arp[24..28] != ip.to_be_bytes() {
        return None;
    }
    let mut out = Vec::with_capacity(60);
    out.extend_from_slice(&data[6..12]);
    out.extend_from_slice(&mac);
    out.extend_from_slice(&[0x08, 0x06]);
    out.extend_from_slice(&arp[..7]);
    out.push(2);
    out.extend_from_slice(&mac);
    out.extend_from_slice(&ip.to_be_bytes());
    // Who asked: hardware and protocol address.
    out.extend_from_slice(&arp[8..18]);
    out.resize(60, 0);
    Some(out)
}

impl Gmac {
    /// Whether the MAC looks at ARP at all.
    pub(crate) fn arp_enabled(&self) -> bool {
        self.cfg.arp && self.config(CONFIG_ARPEN)
    }

    /// Whether a frame is what the MAC reports as an ARP request.
    pub(crate) fn is_arp_request(&self, data: &[u8]) -> bool {
        self.arp_enabled() && request(data).is_some()
    }

    /// Answers a request that came in an intact frame for this node.
    pub(crate) fn answer_arp(&mut self, data: &[u8]) {
        if !self.arp_enabled() || !self.config(CONFIG_TE) {
            return;
        }
        let ip = self.regs.get(MAC_ARP_ADDR);
        if let Some(data) = reply(data, self.address(), ip) {
            self.stats.arp_replies += 1;
            self.send_own(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const US: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const PEER: [u8; 6] = [2, 0, 0, 0, 0, 2];

    fn ask(ip: [u8; 4]) -> Vec<u8> {
        let mut f = vec![0xff; 6];
        f.extend_from_slice(&PEER);
        f.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        f.extend_from_slice(&PEER);
        f.extend_from_slice(&[192, 0, 2, 2]);
        f.extend_from_slice(&[0; 6]);
        f.extend_from_slice(&ip);
        f.resize(60, 0);
        f
    }

    #[test]
    fn answers_for_its_address_only() {
        let ip = u32::from_be_bytes([192, 0, 2, 1]);
        let r = reply(&ask([192, 0, 2, 1]), US, ip).unwrap();
        assert_eq!((&r[..6], &r[6..12]), (&PEER[..], &US[..]));
        assert_eq!(r[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        assert_eq!((&r[22..28], &r[28..32]), (&US[..], &[192, 0, 2, 1][..]));
        assert_eq!((&r[32..38], &r[38..42]), (&PEER[..], &[192, 0, 2, 2][..]));
        assert_eq!(r.len(), 60);
        assert_eq!(reply(&ask([192, 0, 2, 3]), US, ip), None);
        // A reply is not answered.
        assert_eq!(reply(&r, US, u32::from_be_bytes([192, 0, 2, 2])), None);
    }

    proptest! {
        #[test]
        fn garbage_does_not_panic(data in proptest::collection::vec(any::<u8>(), 0..60), ip: u32) {
            reply(&data, US, ip);
        }
    }
}
