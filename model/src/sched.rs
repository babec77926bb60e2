// SPDX-License-Identifier: GPL-2.0

//! The transmit scheduler of the MTL: which queue sends next.

use crate::gmac::MAX_QUEUES;

/// SCHALG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Weighted round robin; weights count packets.
    Wrr,
    /// Weighted fair queuing and deficit weighted round robin: weights count bytes, so that each
    /// queue gets its share of the line whatever the size of its packets.
    Bytes,
    /// Strict priority: the highest queue first.
    Strict,
}

impl Algorithm {
    /// Decodes SCHALG.
    pub fn new(code: u32) -> Algorithm {
        match code & 3 {
            0 => Algorithm::Wrr,
            3 => Algorithm::Strict,
            _ => Algorithm::Bytes,
        }
    }
}

/// Whose turn it is, and what each queue may still send in it.
#[derive(Clone, Debug, Default)]
pub struct Scheduler {
    turn: usize,
    credit: [i64; MAX_QUEUES],
}

impl Scheduler {
    /// The queue that sends next; `ready` has a bit for each that may have something to send. A
    /// weight of zero counts as one.
    pub fn pick(&mut self, algorithm: Algorithm, weights: &[u32], ready: u32) -> Option<usize> {
        let n = weights.len();
        let is_ready = |q: usize| ready >> q & 1 != 0;
        if algorithm == Algorithm::Strict {
            return (0..n).rev().find(|q| is_ready(*q));
        }
        if !(0..n).any(is_ready) {
            self.credit.fill(0);
            return None;
        }
        self.turn %= n;
        loop {
            let q = self.turn;
            let credit = &mut self.credit[q];
            if !is_ready(q) {
                // An empty queue saves nothing up.
                *credit = 0;
            } else {
                if *credit <= 0 {
                    *credit += i64::from(weights[q].max(1));
                }
                if *credit > 0 {
                    return Some(q);
                }
            }
            self.turn = (q + 1) % n;
        }
    }

    /// Accounts for a packet that a queue sent.
    pub fn sent(&mut self, algorithm: Algorithm, q: usize, bytes: usize) {
        self.credit[q] -= match algorithm {
            Algorithm::Wrr => 1,
            Algorithm::Bytes => bytes as i64,
            Algorithm::Strict => 0,
        };
        if self.credit[q] <= 0 && algorithm != Algorithm::Strict {
            self.turn = q + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets and bytes of each queue when all always have something to send.
    fn run(algorithm: Algorithm, weights: &[u32], sizes: &[usize], packets: usize) -> Vec<usize> {
        let mut s = Scheduler::default();
        let mut bytes = vec![0; weights.len()];
        for _ in 0..packets {
            let q = s.pick(algorithm, weights, ALL).unwrap();
            bytes[q] += sizes[q];
            s.sent(algorithm, q, sizes[q]);
        }
        bytes
    }

    const ALL: u32 = u32::MAX;

    #[test]
    fn round_robin_counts_packets() {
        let got = run(Algorithm::Wrr, &[1, 2, 5, 0], &[1; 4], 900);
        assert_eq!(got, [100, 200, 500, 100]);
    }

    #[test]
    fn shares_of_bytes_follow_the_weights() {
        for weights in [[500, 1500, 3000], [1, 3, 6]] {
            let got = run(Algorithm::Bytes, &weights, &[1500, 64, 700], 100_000);
            let total: usize = got.iter().sum();
            for (bytes, share) in got.iter().zip([0.1, 0.3, 0.6]) {
                let is = *bytes as f64 / total as f64;
                assert!((is - share).abs() < 0.01, "{got:?}");
            }
        }
    }

    #[test]
    fn strict_priority_and_idle_queues() {
        let mut s = Scheduler::default();
        assert_eq!(s.pick(Algorithm::Strict, &[9, 9, 1], 0b011), Some(1));
        assert_eq!(s.pick(Algorithm::Strict, &[9, 9, 1], 0), None);
        assert_eq!(s.pick(Algorithm::Wrr, &[9, 9, 1], 0), None);
        // An idle queue's turn is nobody's loss.
        for _ in 0..10 {
            assert_eq!(s.pick(Algorithm::Wrr, &[9, 9, 1], 0b100), Some(2));
            s.sent(Algorithm::Wrr, 2, 60);
        }
    }
}
