// SPDX-License-Identifier: GPL-2.0

//! Shares of the FIFOs and what follows from them.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_mtl)]
mod tests {
    use super::*;
    use crate::hwif::generations::dwmac4::mtl::{
        fifo_share,
        FlowLevels, //
    };

    #[test]
    fn shares() {
        for (fifo, queues, share) in [
            (65536, 1, Ok(65536)),
            (65536, 8, Ok(8192)),
            (8192, 3, Ok(2730)),
            (2048, 8, Ok(256)),
            (1024, 8, Err(EINVAL)),
            (0, 1, Err(EINVAL)),
            (65536, 0, Err(EINVAL)),
        ] {
            assert_eq!(fifo_share(fifo, queues), share);
        }
    }

    #[test]
    fn flow_control_needs_4_kib() {
        for bytes in [0, 256, 2048, 4095] {
            assert_eq!(FlowLevels::new(bytes), None);
        }
        for bytes in [4096, 5000, 8191, 8192, 32767, 32768, 262144] {
            assert!(FlowLevels::new(bytes).is_some());
        }
    }

    /// The peer is paused above an empty FIFO and resumed later than it was paused, in steps that
    /// the registers have.
    #[test]
    fn flow_levels_are_in_order() {
        for bytes in (4096..=262144).step_by(256) {
            assert!(FlowLevels::new(bytes).is_some_and(|l| {
                l.pause >= 1024
                    && l.pause < l.resume
                    && l.resume < bytes
                    && l.pause % 512 == 0
                    && l.resume % 512 == 0
                    && l.resume < 1024 + 64 * 512
            }));
        }
    }
}
