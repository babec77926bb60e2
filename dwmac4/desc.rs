// SPDX-License-Identifier: GPL-2.0

//! Descriptors.
//!
//! A descriptor has four words. The driver writes the "read format", which the DMA replaces by the
//! "write-back format". Word 3 holds OWN in both.

use kernel::{
    bitfield,
    num::Bounded,
    prelude::*, //
};

use super::{
    dma::halves,
    regs::{
        poke,
        DMA_CH_RXDESC_TAIL_POINTER,
        DMA_CH_TXDESC_TAIL_POINTER, //
    },
};
use crate::{
    desc::{
        Format,
        RxChecksum,
        RxStatus,
        SegmentationLimits,
        TxBuffer,
        TxChecksum,
        TxContext,
        TxStatus,
        Words, //
    },
    hwif::{
        Mmio,
        Time, //
    },
};

bitfield! {
    /// TDES2, read format.
    pub(super) struct Tdes2(u32) {
        /// IOC: TI when the frame is sent. Counts in the last descriptor of a frame.
        31:31 ioc => bool;
        /// TTSE: take a timestamp.
        30:30 ttse => bool;
        /// B2L: bytes of buffer 2.
        29:16 b2l;
        /// VTIR: what to do with the VLAN tag; 2 is to insert one. Counts in the first descriptor
        /// of a frame.
        15:14 vtir;
        /// B1L: bytes of buffer 1.
        13:0 b1l;
    }
}

bitfield! {
    /// TDES3, read format.
    pub(super) struct Tdes3(u32) {
        /// OWN: the DMA's.
        31:31 own => bool;
        /// CTXT: context descriptor.
        30:30 ctxt => bool;
        /// FD: first of a frame.
        29:29 fd => bool;
        /// LD: last of a frame.
        28:28 ld => bool;
        /// CPC: what to add of padding and FCS; 0 is both.
        27:26 cpc;
        /// CIC: checksums to insert; 3 is all. Counts in the first descriptor of a frame.
        17:16 cic;
        /// FL: bytes of the frame. Counts in the first descriptor of a frame.
        14:0 fl;
    }
}

bitfield! {
    /// TDES3, read format, first of a frame that is to be segmented.
    pub(super) struct TsoTdes3(u32) {
        /// OWN: the DMA's.
        31:31 own => bool;
        /// FD: first of a frame.
        29:29 fd => bool;
        /// THL: words of the TCP or UDP header.
        22:19 thl;
        /// TSE: segment the frame. Buffer 1 is the headers.
        18:18 tse => bool;
        /// TPL: bytes of payload.
        17:0 tpl;
    }
}

bitfield! {
    /// TDES2, context descriptor.
    pub(super) struct ContextTdes2(u32) {
        /// MSS: payload bytes of a segment.
        13:0 mss;
    }
}

bitfield! {
    /// TDES3, context descriptor.
    pub(super) struct ContextTdes3(u32) {
        /// OWN: the DMA's.
        31:31 own => bool;
        /// CTXT: context descriptor.
        30:30 ctxt => bool;
        /// TCMSSV: MSS is valid.
        26:26 tcmssv => bool;
        /// VLTV: VT is valid.
        16:16 vltv => bool;
        /// VT: VLAN tag.
        15:0 vt;
    }
}

bitfield! {
    /// TDES3, write-back format.
    pub(super) struct TxWriteBack(u32) {
        /// OWN.
        31:31 own => bool;
        /// CTXT.
        30:30 ctxt => bool;
        /// LD: the rest is valid.
        28:28 ld => bool;
        /// TTSS: TDES0 and TDES1 hold a timestamp.
        17:17 ttss => bool;
        /// ES: any of the errors.
        15:15 es => bool;
        /// JT: jabber timeout.
        14:14 jt => bool;
        /// FF: flushed by software.
        13:13 ff => bool;
        /// PCE: the payload's checksum could not be inserted.
        12:12 pce => bool;
        /// LoC: the carrier was lost.
        11:11 loc => bool;
        /// NC: there was no carrier.
        10:10 nc => bool;
        /// LC: late collision.
        9:9 lc => bool;
        /// EC: excessive collisions.
        8:8 ec => bool;
        /// ED: excessive deferral.
        3:3 ed => bool;
        /// UF: the FIFO ran dry.
        2:2 uf => bool;
        /// IHE: not the IP header that it claims to be.
        0:0 ihe => bool;
    }
}

bitfield! {
    /// RDES3, read format.
    pub(super) struct Rdes3(u32) {
        /// OWN: the DMA's.
        31:31 own => bool;
        /// IOC: RI when the descriptor is given back.
        30:30 ioc => bool;
        /// BUF2V: there is a buffer 2.
        25:25 buf2v => bool;
        /// BUF1V: there is a buffer 1.
        24:24 buf1v => bool;
        /// BUF2AP: upper half of the address of buffer 2.
        15:0 buf2ap;
    }
}

bitfield! {
    /// RDES1, write-back format.
    pub(super) struct RxProtocol(u32) {
        /// TD: the timestamp was dropped.
        15:15 td => bool;
        /// TSA: a context descriptor with the timestamp follows.
        14:14 tsa => bool;
        /// IPCE: the payload's checksum is wrong.
        7:7 ipce => bool;
        /// IPCB: the checksums were not checked.
        6:6 ipcb => bool;
        /// IPV6: there is an IPv6 header.
        5:5 ipv6 => bool;
        /// IPV4: there is an IPv4 header.
        4:4 ipv4 => bool;
        /// IPHE: the IP header's checksum, version or length is wrong.
        3:3 iphe => bool;
        /// PT: payload.
        2:0 pt;
    }
}

bitfield! {
    /// RDES2, write-back format.
    pub(super) struct RxHeader(u32) {
        /// OTS: the VLAN filter lets the frame pass.
        15:15 ots => bool;
        /// HL: bytes of the header, if it is in buffer 1 by itself. Counts in the first descriptor
        /// of a frame.
        9:0 hl;
    }
}

bitfield! {
    /// RDES3, write-back format.
    pub(super) struct RxWriteBack(u32) {
        /// OWN.
        31:31 own => bool;
        /// CTXT: context descriptor.
        30:30 ctxt => bool;
        /// FD: first of a frame.
        29:29 fd => bool;
        /// LD: last of a frame.
        28:28 ld => bool;
        /// RS2V: RDES2 holds a status.
        27:27 rs2v => bool;
        /// RS1V: RDES1 holds a status.
        26:26 rs1v => bool;
        /// RS0V: RDES0 holds a VLAN tag.
        25:25 rs0v => bool;
        /// CE: wrong FCS.
        24:24 ce => bool;
        /// GP: giant frame.
        23:23 gp => bool;
        /// RWT: watchdog timeout, the frame was cut.
        22:22 rwt => bool;
        /// OE: FIFO overflow.
        21:21 oe => bool;
        /// RE: receive error on the PHY interface.
        20:20 re => bool;
        /// DE: not a whole number of octets.
        19:19 de => bool;
        /// ES: any of the errors.
        15:15 es => bool;
        /// PL: bytes of the frame.
        14:0 pl;
    }
}

impl RxProtocol {
    /// What the checksum engine says.
    fn checksum(self) -> RxChecksum {
        // PT of the payloads whose checksum the engine knows.
        const UDP: u32 = 1;
        const TCP: u32 = 2;
        const ICMP: u32 = 3;

        if self.iphe() {
            return RxChecksum::Bad;
        }
        if self.ipcb() {
            return RxChecksum::None;
        }
        if self.ipce() {
            return RxChecksum::Bad;
        }

        // Both headers make a tunnel, of which it is not told what was checked.
        match (self.ipv4() != self.ipv6(), self.pt().get()) {
            (true, UDP | TCP | ICMP) => RxChecksum::Good,
            _ => RxChecksum::None,
        }
    }
}

/// Descriptors of GMAC 4.x and 5.x.
pub(crate) struct Gmac4;

impl Format for Gmac4 {
    // B1L holds 16383. A multiple of the widest bus keeps the next buffer's start aligned when one
    // has to be split.
    const TX_BUFFER_MAX: u32 = 16368;

    const OWN_WORD: usize = 3;

    const SEGMENTATION: SegmentationLimits = SegmentationLimits {
        // Of B1L ten bits count where the buffer is a header.
        header_max: 1023,
        // The databook recommends no less.
        mss_min: 64,
        segment_max: 16382,
        payload_max: TsoTdes3::TPL_MASK,
    };

    #[inline]
    fn tx_context(context: &TxContext) -> Words {
        let mut des2 = ContextTdes2::zeroed();
        let mut des3 = ContextTdes3::zeroed().with_own(true).with_ctxt(true);
        if let Some(mss) = context.mss {
            // As below: an MSS that is too large gets cut.
            des2 = des2.with_mss(Bounded::from_expr(u32::from(mss) & ContextTdes2::MSS_MASK));
            des3 = des3.with_tcmssv(true);
        }
        if let Some(tag) = context.vlan {
            des3 = des3.with_vltv(true).with_vt(tag);
        }

        [0, 0, des2.into(), des3.into()]
    }

    #[inline]
    fn tx_buffer(buf: &TxBuffer) -> Words {
        let (low, high) = halves(buf.addr);
        // The masks let a length that breaks the contract lead to a short frame, not to bits in
        // other fields.
        let mut des2 = Tdes2::zeroed()
            .with_b1l(Bounded::from_expr(buf.len & Tdes2::B1L_MASK))
            .with_ioc(buf.interrupt && buf.last)
            .with_ttse(buf.timestamp && buf.first && buf.segmentation.is_none());
        if buf.insert_vlan && buf.first {
            des2 = des2.with_const_vtir::<2>();
        }
        if let Some(segmentation) = buf.segmentation.filter(|_| buf.first) {
            let thl = segmentation.transport_len / 4;
            // Buffer 2 cannot take payload: its address is the upper half of buffer 1's.
            let des3 = TsoTdes3::zeroed()
                .with_own(true)
                .with_fd(true)
                .with_tse(true)
                .with_thl(Bounded::from_expr(
                    thl & (TsoTdes3::THL_MASK >> TsoTdes3::THL_SHIFT),
                ))
                .with_tpl(Bounded::from_expr(
                    segmentation.payload_len & TsoTdes3::TPL_MASK,
                ));

            return [low, high, des2.into(), des3.into()];
        }
        let mut des3 = Tdes3::zeroed()
            .with_own(true)
            .with_fd(buf.first)
            .with_ld(buf.last);
        if buf.first {
            des3 = des3.with_fl(Bounded::from_expr(buf.frame_len & Tdes3::FL_MASK));
            if buf.checksum == TxChecksum::Full {
                des3 = des3.with_const_cic::<3>();
            }
        }

        [low, high, des2.into(), des3.into()]
    }

    #[inline]
    fn owned(word: u32) -> bool {
        RxWriteBack::from(word).own()
    }

    #[inline]
    fn tx_status(word: u32) -> TxStatus {
        let des3 = TxWriteBack::from(word);

        if !des3.ld() || des3.ctxt() {
            return TxStatus {
                error: true,
                bad: true,
                ..TxStatus::default()
            };
        }
        if !des3.es() {
            return TxStatus::default();
        }

        TxStatus {
            error: true,
            bad: false,
            underflow: des3.uf(),
            link_error: des3.loc() || des3.nc() || des3.lc() || des3.ec() || des3.ed(),
            checksum_error: des3.ihe() || des3.pce(),
        }
    }

    #[inline]
    fn tx_timestamp(words: &Words) -> Option<Time> {
        let [nanos, secs, _, des3] = *words;
        let des3 = TxWriteBack::from(des3);

        if !des3.ld() || des3.ctxt() || !des3.ttss() {
            return None;
        }

        Time::new(secs, nanos)
    }

    #[inline]
    fn rx_buffer(addr: u64, interrupt: bool) -> Words {
        let (low, high) = halves(addr);
        let des3 = Rdes3::zeroed()
            .with_own(true)
            .with_ioc(interrupt)
            .with_buf1v(true);

        [low, high, 0, des3.into()]
    }

    #[inline]
    fn rx_split_buffers(addr: u64, payload: u64, interrupt: bool) -> Words {
        let (low, high) = halves(addr);
        let (payload_low, payload_high) = halves(payload);
        // The mask lets no address, however wrong, reach the other fields.
        let des3 = Rdes3::zeroed()
            .with_own(true)
            .with_ioc(interrupt)
            .with_buf2v(true)
            .with_buf1v(true)
            .with_buf2ap(Bounded::from_expr(payload_high & Rdes3::BUF2AP_MASK));

        [low, high, payload_low, des3.into()]
    }

    #[inline]
    fn rx_header_len(words: &Words) -> u32 {
        let [_, _, des2, _] = *words;

        RxHeader::from(des2).hl().get()
    }

    #[inline]
    fn rx_status(words: &Words) -> RxStatus {
        let [des0, des1, _, des3] = *words;
        let des1 = RxProtocol::from(des1);
        let des3 = RxWriteBack::from(des3);
        let last = des3.ld() && !des3.ctxt();

        RxStatus {
            first: des3.fd() && !des3.ctxt(),
            last,
            context: des3.ctxt(),
            len: des3.pl().get(),
            error: last && des3.es(),
            crc_error: last && des3.ce(),
            overflow: last && des3.oe(),
            length_error: last && (des3.gp() || des3.rwt()),
            frame_error: last && (des3.re() || des3.de()),
            checksum: if last && des3.rs1v() {
                des1.checksum()
            } else {
                RxChecksum::None
            },
            timestamp: last && des3.rs1v() && des1.tsa(),
            timestamp_dropped: last && des3.rs1v() && des1.td(),
            // OVT is the lower half. CAST: Truncates, as intended.
            vlan: (last && des3.rs0v()).then_some(des0 as u16),
        }
    }

    #[inline]
    fn rx_timestamp(words: &Words) -> Option<Time> {
        let [nanos, secs, _, des3] = *words;

        if !RxWriteBack::from(des3).ctxt() {
            return None;
        }

        // A timestamp that was lost is all ones, which is no time.
        Time::new(secs, nanos)
    }

    #[inline]
    fn rx_vlan_passed(words: &Words) -> bool {
        let [_, _, des2, des3] = *words;

        RxWriteBack::from(des3).rs2v() && RxHeader::from(des2).ots()
    }

    #[inline]
    fn tx_doorbell(io: Mmio<'_>, ch: usize, tail: u64) {
        let (tail, _) = halves(tail);

        // An ordered write: the descriptors are visible to the DMA before it hears of them. It
        // fails only for a channel that no core has, where there is nothing to tell.
        let _ = poke(io, ch, DMA_CH_TXDESC_TAIL_POINTER::from_raw(tail));
    }

    #[inline]
    fn rx_doorbell(io: Mmio<'_>, ch: usize, tail: u64) {
        let (tail, _) = halves(tail);

        // As above.
        let _ = poke(io, ch, DMA_CH_RXDESC_TAIL_POINTER::from_raw(tail));
    }
}
