// SPDX-License-Identifier: GPL-2.0

//! What the hardware is given to segment, and what it is told before.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_tx)]
mod tests {
    use kernel::net::skbuff::{
        Gso,
        GsoProtocol, //
    };

    use crate::{
        desc::{
            Format,
            TxContext, //
        },
        hwif::generations::dwmac4::desc::Gmac4,
        tx::{
            segment_len,
            segmentable,
            Told, //
        }, //
    };

    /// 45 full segments of TCP over IPv4 with a timestamp option.
    const TCP: Gso = Gso {
        protocol: GsoProtocol::TcpV4,
        header_len: 66,
        transport_len: 32,
        size: 1448,
        payload_len: 45 * 1448,
    };

    #[test]
    fn hardware_limits_of_segmentation() {
        let cases = [
            (TCP, 0, true),
            (TCP, 4, true),
            // The header has 10 bits, the tag being a part of it.
            (
                Gso {
                    header_len: 1023,
                    ..TCP
                },
                0,
                true,
            ),
            (
                Gso {
                    header_len: 1023,
                    ..TCP
                },
                4,
                false,
            ),
            (
                Gso {
                    header_len: 1024,
                    ..TCP
                },
                0,
                false,
            ),
            (
                Gso {
                    header_len: u32::MAX,
                    ..TCP
                },
                4,
                false,
            ),
            // Short segments.
            (Gso { size: 64, ..TCP }, 0, true),
            (Gso { size: 63, ..TCP }, 0, false),
            // Long segments: with their headers below 16383 bytes.
            (Gso { size: 16316, ..TCP }, 0, true),
            (Gso { size: 16317, ..TCP }, 0, false),
            (Gso { size: 16316, ..TCP }, 4, false),
            (
                Gso {
                    size: u16::MAX,
                    payload_len: 100,
                    ..TCP
                },
                0,
                false,
            ),
            // The payload has 18 bits.
            (
                Gso {
                    payload_len: 0x3_ffff,
                    ..TCP
                },
                0,
                true,
            ),
            (
                Gso {
                    payload_len: 0x4_0000,
                    ..TCP
                },
                0,
                false,
            ),
        ];

        for (gso, tag, can) in cases {
            assert_eq!(segmentable(&gso, tag, &Gmac4::SEGMENTATION), can);
        }
    }

    #[test]
    fn segments_have_all_headers() {
        assert_eq!(segment_len(&TCP, 0), 1514);
        assert_eq!(segment_len(&TCP, 4), 1518);
        assert_eq!(TCP.wire_len(), 45 * 1514);
    }

    #[test]
    fn mss_is_told_when_it_changes() {
        let small = Gso { size: 536, ..TCP };
        let mut told = Told::default();

        for (gso, mss) in [
            // Frames that are not segmented need none and change nothing.
            (None, None),
            (Some(TCP), Some(1448)),
            (Some(TCP), None),
            (None, None),
            (Some(TCP), None),
            (Some(small), Some(536)),
            (Some(small), None),
            (Some(TCP), Some(1448)),
        ] {
            let context = told.missing(gso.as_ref(), None);

            assert_eq!(context, TxContext { mss, vlan: None });
            assert_eq!(context.is_empty(), mss.is_none());
            told.tell(&context);
        }

        // What did not get into the ring was not told.
        let context = told.missing(Some(&small), None);
        assert_eq!(told.missing(Some(&small), None), context);
    }

    #[test]
    fn tags_are_told_each_time() {
        let mut told = Told::default();

        for (gso, mss) in [(Some(TCP), Some(1448)), (Some(TCP), None), (None, None)] {
            let context = told.missing(gso.as_ref(), Some(0x2005));

            assert_eq!(
                context,
                TxContext {
                    mss,
                    vlan: Some(0x2005),
                }
            );
            assert!(!context.is_empty());
            told.tell(&context);
        }
        assert!(told.missing(Some(&TCP), None).is_empty());
    }
}
