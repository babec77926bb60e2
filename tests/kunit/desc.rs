// SPDX-License-Identifier: GPL-2.0

//! Descriptors of GMAC 4.x and 5.x.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_desc)]
mod tests {
    use crate::{
        desc::{
            Format,
            RxChecksum,
            RxStatus,
            TxBuffer,
            TxChecksum,
            TxContext,
            TxSegmentation,
            TxStatus, //
        },
        hwif::{
            generations::dwmac4::desc::Gmac4,
            Time, //
        },
    };

    /// The only buffer of a frame.
    const WHOLE: TxBuffer = TxBuffer {
        addr: 0x12_3456_7890,
        len: 60,
        frame_len: 60,
        first: true,
        last: true,
        interrupt: false,
        checksum: TxChecksum::None,
        segmentation: None,
        timestamp: false,
        insert_vlan: false,
    };

    /// A whole frame without anything remarkable.
    const FRAME: RxStatus = RxStatus {
        first: true,
        last: true,
        context: false,
        len: 60,
        error: false,
        crc_error: false,
        overflow: false,
        length_error: false,
        frame_error: false,
        checksum: RxChecksum::None,
        timestamp: false,
        timestamp_dropped: false,
        vlan: None,
    };

    #[test]
    fn tx_buffers() {
        let cases = [
            // OWN, FD, LD, FL.
            (WHOLE, [0x3456_7890, 0x12, 60, 0xb000_003c]),
            // IOC.
            (
                TxBuffer {
                    interrupt: true,
                    ..WHOLE
                },
                [0x3456_7890, 0x12, 0x8000_003c, 0xb000_003c],
            ),
            // CIC.
            (
                TxBuffer {
                    checksum: TxChecksum::Full,
                    ..WHOLE
                },
                [0x3456_7890, 0x12, 60, 0xb003_003c],
            ),
            // VTIR.
            (
                TxBuffer {
                    insert_vlan: true,
                    ..WHOLE
                },
                [0x3456_7890, 0x12, 0x803c, 0xb000_003c],
            ),
            // The first of several: FL is the frame's, IOC waits for the last.
            (
                TxBuffer {
                    frame_len: 9014,
                    last: false,
                    interrupt: true,
                    checksum: TxChecksum::Full,
                    ..WHOLE
                },
                [0x3456_7890, 0x12, 60, 0xa003_2336],
            ),
            // One in the middle has neither FL nor CIC nor VTIR.
            (
                TxBuffer {
                    frame_len: 9014,
                    first: false,
                    last: false,
                    checksum: TxChecksum::Full,
                    insert_vlan: true,
                    ..WHOLE
                },
                [0x3456_7890, 0x12, 60, 0x8000_0000],
            ),
            // The last.
            (
                TxBuffer {
                    addr: 0xffff_ffff,
                    len: Gmac4::TX_BUFFER_MAX,
                    frame_len: 16383,
                    first: false,
                    interrupt: true,
                    ..WHOLE
                },
                [0xffff_ffff, 0, 0x8000_3ff0, 0x9000_0000],
            ),
        ];

        for (buf, words) in cases {
            assert_eq!(Gmac4::tx_buffer(&buf), words);
        }
    }

    #[test]
    fn tx_segmentation() {
        let header = TxBuffer {
            len: 66,
            frame_len: 65226,
            last: false,
            checksum: TxChecksum::Full,
            segmentation: Some(TxSegmentation {
                transport_len: 32,
                payload_len: 65160,
            }),
            ..WHOLE
        };
        let cases = [
            // OWN, FD, THL, TSE, TPL; neither FL nor CIC.
            (header, [0x3456_7890, 0x12, 66, 0xa044_fe88]),
            // UDP.
            (
                TxBuffer {
                    segmentation: Some(TxSegmentation {
                        transport_len: 8,
                        payload_len: 1,
                    }),
                    ..header
                },
                [0x3456_7890, 0x12, 66, 0xa014_0001],
            ),
            // The payload is described as that of any frame.
            (
                TxBuffer {
                    len: 16368,
                    first: false,
                    ..header
                },
                [0x3456_7890, 0x12, 16368, 0x8000_0000],
            ),
            (
                TxBuffer {
                    first: false,
                    last: true,
                    interrupt: true,
                    ..header
                },
                [0x3456_7890, 0x12, 0x8000_0042, 0x9000_0000],
            ),
            // What breaks the contract stays in its field.
            (
                TxBuffer {
                    segmentation: Some(TxSegmentation {
                        transport_len: u32::MAX,
                        payload_len: u32::MAX,
                    }),
                    ..header
                },
                [0x3456_7890, 0x12, 66, 0xa07f_ffff],
            ),
        ];

        for (buf, words) in cases {
            assert_eq!(Gmac4::tx_buffer(&buf), words);
        }
    }

    #[test]
    fn tx_contexts() {
        for (mss, vlan, words) in [
            // OWN, CTXT.
            (None, None, [0, 0, 0, 0xc000_0000]),
            // TCMSSV, MSS.
            (Some(1448), None, [0, 0, 1448, 0xc400_0000]),
            (Some(0x3fff), None, [0, 0, 0x3fff, 0xc400_0000]),
            (Some(0xffff), None, [0, 0, 0x3fff, 0xc400_0000]),
            // VLTV, VT.
            (None, Some(0), [0, 0, 0, 0xc001_0000]),
            (None, Some(0xefff), [0, 0, 0, 0xc001_efff]),
            (Some(536), Some(5), [0, 0, 536, 0xc401_0005]),
        ] {
            assert_eq!(Gmac4::tx_context(&TxContext { mss, vlan }), words);
        }
    }

    #[test]
    fn tx_timestamps_are_asked_for_once() {
        const TTSE: u32 = 1 << 30;
        let buf = TxBuffer {
            timestamp: true,
            last: false,
            ..WHOLE
        };

        let [.., first, _] = Gmac4::tx_buffer(&buf);
        assert_eq!(first, TTSE | 60);
        let [.., second, _] = Gmac4::tx_buffer(&TxBuffer {
            first: false,
            ..buf
        });
        assert_eq!(second, 60);
    }

    #[test]
    fn tx_timestamps() {
        const LD: u32 = 1 << 28;
        const TTSS: u32 = 1 << 17;

        for (words, time) in [
            ([123, 456, 0, LD | TTSS], Time::new(456, 123)),
            ([999_999_999, !0, 0, LD | TTSS], Time::new(!0, 999_999_999)),
            // None, or no place for one.
            ([123, 456, 0, LD], None),
            ([123, 456, 0, TTSS], None),
            ([123, 456, 0, LD | TTSS | 1 << 30], None),
            // No time.
            ([1_000_000_000, 456, 0, LD | TTSS], None),
            ([!0, !0, !0, LD | TTSS], None),
        ] {
            assert_eq!(Gmac4::tx_timestamp(&words), time);
        }
    }

    #[test]
    fn tx_lengths_stay_in_their_fields() {
        let words = Gmac4::tx_buffer(&TxBuffer {
            len: u32::MAX,
            frame_len: u32::MAX,
            ..WHOLE
        });

        assert_eq!(words, [0x3456_7890, 0x12, 0x3fff, 0xb000_7fff]);
    }

    #[test]
    fn tx_statuses() {
        const LD: u32 = 1 << 28;
        const ES: u32 = 1 << 15;

        let error = TxStatus {
            error: true,
            ..TxStatus::default()
        };
        let bad = TxStatus { bad: true, ..error };
        let link_error = TxStatus {
            link_error: true,
            ..error
        };
        let cases = [
            (LD, TxStatus::default()),
            // Deferred, collided: not lost.
            (LD | 1 << 1 | 3 << 4, TxStatus::default()),
            // Without LD there is no status.
            (0, bad),
            (ES | 1 << 2, bad),
            // A context descriptor has none either.
            (LD | ES | 1 << 30, bad),
            (
                LD | ES | 1 << 2,
                TxStatus {
                    underflow: true,
                    ..error
                },
            ),
            (LD | ES | 1 << 3, link_error),
            (LD | ES | 1 << 8, link_error),
            (LD | ES | 1 << 9, link_error),
            (LD | ES | 1 << 10, link_error),
            (LD | ES | 1 << 11, link_error),
            (
                LD | ES | 1,
                TxStatus {
                    checksum_error: true,
                    ..error
                },
            ),
            (
                LD | ES | 1 << 12,
                TxStatus {
                    checksum_error: true,
                    ..error
                },
            ),
            // Flushed, jabber.
            (LD | ES | 1 << 13, error),
            (LD | ES | 1 << 14, error),
        ];

        for (word, status) in cases {
            // The other words are not the status's.
            assert_eq!(Gmac4::tx_status(word), status);
        }
    }

    #[test]
    fn rx_buffers() {
        // OWN, BUF1V.
        assert_eq!(
            Gmac4::rx_buffer(0xab_cdef_0120, false),
            [0xcdef_0120, 0xab, 0, 0x8100_0000]
        );
        // IOC.
        assert_eq!(Gmac4::rx_buffer(0x1000, true), [0x1000, 0, 0, 0xc100_0000]);
        // BUF2V, and the upper half of buffer 2's address.
        assert_eq!(
            Gmac4::rx_split_buffers(0xab_cdef_0120, 0xcd_1234_5678, false),
            [0xcdef_0120, 0xab, 0x1234_5678, 0x8300_00cd]
        );
        assert_eq!(
            Gmac4::rx_split_buffers(0x1000, u64::MAX, true),
            [0x1000, 0, 0xffff_ffff, 0xc300_ffff]
        );
    }

    #[test]
    fn rx_headers() {
        assert_eq!(Gmac4::rx_header_len(&[!0, !0, 0xffff_fc36, !0]), 54);
        assert_eq!(Gmac4::rx_header_len(&[!0, !0, 0xffff_fc00, !0]), 0);
    }

    #[test]
    fn ownership() {
        assert!(Gmac4::owned(0x8000_0000));
        assert!(!Gmac4::owned(0x7fff_ffff));

        // What is composed is the DMA's.
        let tx = Gmac4::tx_buffer(&WHOLE);
        let rx = Gmac4::rx_buffer(0, false);
        assert!(tx.get(Gmac4::OWN_WORD).is_some_and(|w| Gmac4::owned(*w)));
        assert!(rx.get(Gmac4::OWN_WORD).is_some_and(|w| Gmac4::owned(*w)));
    }

    #[test]
    fn rx_vlan_tags() {
        const WHOLE: u32 = 3 << 28 | 60;
        const RS0V: u32 = 1 << 25;
        const RS2V: u32 = 1 << 27;
        const OTS: u32 = 1 << 15;

        for (des3, vlan) in [
            (WHOLE | RS0V, Some(0xe123)),
            (WHOLE, None),
            // There is no status but in the last descriptor.
            (1 << 29 | RS0V | 60, None),
            (1 << 30 | WHOLE | RS0V, None),
        ] {
            // The upper half would be an inner tag.
            assert_eq!(Gmac4::rx_status(&[0x4005_e123, 0, !0, des3]).vlan, vlan);
        }
        for (des2, des3, passed) in [
            (OTS, WHOLE | RS0V | RS2V, true),
            (!OTS, WHOLE | RS0V | RS2V, false),
            (!0, WHOLE | RS0V, false),
        ] {
            assert_eq!(Gmac4::rx_vlan_passed(&[0, 0, des2, des3]), passed);
        }
    }

    #[test]
    fn rx_statuses() {
        const FD: u32 = 1 << 29;
        const LD: u32 = 1 << 28;
        const ES: u32 = 1 << 15;

        let error = RxStatus {
            error: true,
            ..FRAME
        };
        let length_error = RxStatus {
            length_error: true,
            ..error
        };
        let frame_error = RxStatus {
            frame_error: true,
            ..error
        };
        let cases = [
            (FD | LD | 60, FRAME),
            (
                FD | 60,
                RxStatus {
                    last: false,
                    ..FRAME
                },
            ),
            (
                LD | 60,
                RxStatus {
                    first: false,
                    ..FRAME
                },
            ),
            (
                60,
                RxStatus {
                    first: false,
                    last: false,
                    ..FRAME
                },
            ),
            // PL has 15 bits.
            (
                FD | LD | 0x7fff,
                RxStatus {
                    len: 0x7fff,
                    ..FRAME
                },
            ),
            (
                FD | LD | ES | 1 << 24 | 60,
                RxStatus {
                    crc_error: true,
                    ..error
                },
            ),
            (
                FD | LD | ES | 1 << 21 | 60,
                RxStatus {
                    overflow: true,
                    ..error
                },
            ),
            (FD | LD | ES | 1 << 23 | 60, length_error),
            (FD | LD | ES | 1 << 22 | 60, length_error),
            (FD | LD | ES | 1 << 20 | 60, frame_error),
            (FD | LD | ES | 1 << 19 | 60, frame_error),
            // Errors are known with the last buffer only.
            (
                FD | ES | 1 << 24 | 60,
                RxStatus {
                    last: false,
                    ..FRAME
                },
            ),
            // A context descriptor is no part of a frame, whatever its other bits.
            (
                1 << 30 | FD | LD | ES | 1 << 24 | 60,
                RxStatus {
                    first: false,
                    last: false,
                    context: true,
                    ..FRAME
                },
            ),
        ];

        for (word, status) in cases {
            // RDES1 claims a good checksum, but is not valid.
            assert_eq!(Gmac4::rx_status(&[!0, 0x12, !0, word]), status);
        }
    }

    #[test]
    fn rx_timestamps() {
        const FIRST: u32 = 0x2000_003c;
        const LAST: u32 = 0x3400_003c;
        const CONTEXT: u32 = 1 << 30;
        const TSA: u32 = 1 << 14;
        const TD: u32 = 1 << 15;

        // Announced with the end of the frame, if RDES1 is valid.
        assert!(Gmac4::rx_status(&[0, TSA, 0, LAST]).timestamp);
        assert!(!Gmac4::rx_status(&[0, !TSA, 0, LAST]).timestamp);
        assert!(!Gmac4::rx_status(&[0, TSA, 0, FIRST]).timestamp);
        assert!(!Gmac4::rx_status(&[0, TSA, 0, LAST | CONTEXT]).timestamp);
        assert!(Gmac4::rx_status(&[0, TD, 0, LAST]).timestamp_dropped);
        assert!(!Gmac4::rx_status(&[0, !TD, 0, LAST]).timestamp_dropped);
        assert!(!Gmac4::rx_status(&[0, TD, 0, FIRST]).timestamp_dropped);

        for (words, time) in [
            ([123, 456, 0, CONTEXT], Time::new(456, 123)),
            ([123, 456, 0, LAST], None),
            ([1_000_000_000, 456, 0, CONTEXT], None),
            // Lost on the way.
            ([!0, !0, 0, CONTEXT], None),
        ] {
            assert_eq!(Gmac4::rx_timestamp(&words), time);
        }
    }

    #[test]
    fn rx_checksums() {
        const LAST: u32 = 0x3400_003c;
        const V4: u32 = 1 << 4;
        const V6: u32 = 1 << 5;
        const IPHE: u32 = 1 << 3;
        const IPCB: u32 = 1 << 6;
        const IPCE: u32 = 1 << 7;

        let cases = [
            (V4 | 1, RxChecksum::Good),
            (V4 | 2, RxChecksum::Good),
            (V4 | 3, RxChecksum::Good),
            (V6 | 1, RxChecksum::Good),
            (V6 | 2, RxChecksum::Good),
            // A payload that the engine does not know; IGMP.
            (V4, RxChecksum::None),
            (V4 | 4, RxChecksum::None),
            // No IP at all; a tunnel.
            (0, RxChecksum::None),
            (2, RxChecksum::None),
            (V4 | V6 | 2, RxChecksum::None),
            // A fragment.
            (V4 | IPCB | 1, RxChecksum::None),
            (V4 | IPCE | 2, RxChecksum::Bad),
            (V4 | IPHE | 2, RxChecksum::Bad),
            (V4 | IPHE | IPCB, RxChecksum::Bad),
            (V4 | IPCB | IPCE | 2, RxChecksum::None),
        ];

        for (des1, checksum) in cases {
            assert_eq!(
                Gmac4::rx_status(&[0, des1, 0, LAST]),
                RxStatus { checksum, ..FRAME }
            );
        }
    }
}
