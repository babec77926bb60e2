// SPDX-License-Identifier: GPL-2.0

//! Room for queues in the FIFOs.

use kernel::prelude::*;

#[kunit_tests(rust_stmmac_port)]
mod tests {
    use crate::port::roomy_queues;

    #[test]
    fn every_queue_has_room_for_a_standard_frame() {
        assert_eq!(roomy_queues(65536, 8), Some(8));
        assert_eq!(roomy_queues(65536, 1), Some(1));
        // 1500 bytes with header, tag and FCS.
        assert_eq!(roomy_queues(4 * 1522, 4), Some(4));
        assert_eq!(roomy_queues(4 * 1522 - 1, 4), Some(3));
        assert_eq!(roomy_queues(4096, 8), Some(2));
        assert_eq!(roomy_queues(1522, 8), Some(1));
    }

    #[test]
    fn a_fifo_without_room_has_no_queue() {
        for fifo in [0, 128, 1521] {
            assert_eq!(roomy_queues(fifo, 8), None);
        }
        assert_eq!(roomy_queues(u32::MAX, 0), None);
    }
}
