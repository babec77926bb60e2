// SPDX-License-Identifier: GPL-2.0

//! Hardware timestamps of packets.
//!
//! A device that can take timestamps is told of which packets by [`Driver::hwtstamp_set`]. It gives
//! a received packet its [`Timestamp`] with [`SkBuff::set_hwtstamp`], and a transmitted one in
//! [`Consumer::pop_timestamped`].
//!
//! C header: [`include/linux/net_tstamp.h`](srctree/include/linux/net_tstamp.h)
//!
//! [`Driver::hwtstamp_set`]: super::device::Driver::hwtstamp_set
//! [`SkBuff::set_hwtstamp`]: super::skbuff::SkBuff::set_hwtstamp
//! [`Consumer::pop_timestamped`]: super::inflight::Consumer::pop_timestamped
//!
//! # Examples
//!
//! A device that can do all or nothing:
//!
//! ```
//! use kernel::{
//!     net::hwtstamp::{
//!         Config,
//!         RxFilter,
//!         TxMode, //
//!     },
//!     prelude::*, //
//! };
//!
//! /// Returns what the device really does.
//! fn choose(wanted: &Config) -> Result<Config> {
//!     if !matches!(wanted.tx, TxMode::Off | TxMode::On) {
//!         return Err(ERANGE);
//!     }
//!
//!     Ok(Config {
//!         rx: match wanted.rx {
//!             RxFilter::None => RxFilter::None,
//!             _ => RxFilter::All,
//!         },
//!         ..*wanted
//!     })
//! }
//! ```

use crate::{
    bindings,
    prelude::*, //
};

/// When a device sent or received a packet: nanoseconds since the epoch of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(bindings::ktime_t);

impl Timestamp {
    /// Creates a timestamp.
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The nanoseconds since the epoch of the clock.
    #[inline]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

macro_rules! modes {
    (
        $(#[$doc:meta])* $name:ident, $(#[$set_doc:meta])* $set:ident:
        $($(#[$variant_doc:meta])* $variant:ident = $raw:ident,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = bindings::$raw,)*
        }

        impl $name {
            fn from_c(raw: c_int) -> Result<Self> {
                match u32::try_from(raw).map_err(|_| ERANGE)? {
                    $(bindings::$raw => Ok(Self::$variant),)*
                    _ => Err(ERANGE),
                }
            }

            fn into_c(self) -> c_int {
                // CAST: The C enumeration has small values.
                self as c_int
            }
        }

        $(#[$set_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $set(u32);

        impl $set {
            /// Nothing.
            pub const EMPTY: Self = Self(0);

            /// The set with `other` added.
            #[must_use]
            pub const fn with(self, other: $name) -> Self {
                // CAST: The type is `repr(u32)`, and its values are less than 32.
                Self(self.0 | 1 << other as u32)
            }

            /// Returns whether `other` is in the set.
            pub const fn contains(self, other: $name) -> bool {
                self.0 & Self::EMPTY.with(other).0 != 0
            }

            pub(super) const fn into_raw(self) -> u32 {
                self.0
            }
        }
    };
}

modes! {
    /// Timestamps of transmitted packets.
    TxMode,
    /// A set of [`TxMode`].
    TxModes:
    /// None.
    Off = hwtstamp_tx_types_HWTSTAMP_TX_OFF,
    /// Of the packets whose senders want one.
    On = hwtstamp_tx_types_HWTSTAMP_TX_ON,
    /// As [`On`](TxMode::On), but the device inserts them into Sync messages.
    OneStepSync = hwtstamp_tx_types_HWTSTAMP_TX_ONESTEP_SYNC,
    /// As [`OneStepSync`](TxMode::OneStepSync), and into Pdelay_Resp messages, too.
    OneStepP2p = hwtstamp_tx_types_HWTSTAMP_TX_ONESTEP_P2P,
}

modes! {
    /// Which received packets get a timestamp.
    RxFilter,
    /// A set of [`RxFilter`].
    RxFilters:
    /// None.
    None = hwtstamp_rx_filters_HWTSTAMP_FILTER_NONE,
    /// All.
    All = hwtstamp_rx_filters_HWTSTAMP_FILTER_ALL,
    /// Those that were asked for, and some others. An answer, not a request.
    Some = hwtstamp_rx_filters_HWTSTAMP_FILTER_SOME,
    /// PTP version 1 over UDP: event messages.
    PtpV1L4Event = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V1_L4_EVENT,
    /// PTP version 1 over UDP: Sync.
    PtpV1L4Sync = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V1_L4_SYNC,
    /// PTP version 1 over UDP: Delay_Req.
    PtpV1L4DelayReq = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V1_L4_DELAY_REQ,
    /// PTP version 2 over UDP: event messages.
    PtpV2L4Event = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L4_EVENT,
    /// PTP version 2 over UDP: Sync.
    PtpV2L4Sync = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L4_SYNC,
    /// PTP version 2 over UDP: Delay_Req.
    PtpV2L4DelayReq = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L4_DELAY_REQ,
    /// PTP version 2 over Ethernet: event messages.
    PtpV2L2Event = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L2_EVENT,
    /// PTP version 2 over Ethernet: Sync.
    PtpV2L2Sync = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L2_SYNC,
    /// PTP version 2 over Ethernet: Delay_Req.
    PtpV2L2DelayReq = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_L2_DELAY_REQ,
    /// PTP version 2 over whatever: event messages.
    PtpV2Event = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_EVENT,
    /// PTP version 2 over whatever: Sync.
    PtpV2Sync = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_SYNC,
    /// PTP version 2 over whatever: Delay_Req.
    PtpV2DelayReq = hwtstamp_rx_filters_HWTSTAMP_FILTER_PTP_V2_DELAY_REQ,
    /// NTP over UDP.
    NtpAll = hwtstamp_rx_filters_HWTSTAMP_FILTER_NTP_ALL,
}

/// Of which packets timestamps are taken; the C `struct kernel_hwtstamp_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Of transmitted packets.
    pub tx: TxMode,
    /// Of received packets.
    pub rx: RxFilter,
}

impl Config {
    /// No timestamps.
    pub const OFF: Self = Self {
        tx: TxMode::Off,
        rx: RxFilter::None,
    };

    /// Reads a C structure; `ERANGE` if it has unknown values.
    pub(super) fn from_c(config: &bindings::kernel_hwtstamp_config) -> Result<Self> {
        Ok(Self {
            tx: TxMode::from_c(config.tx_type)?,
            rx: RxFilter::from_c(config.rx_filter)?,
        })
    }

    pub(super) fn store(&self, config: &mut bindings::kernel_hwtstamp_config) {
        config.tx_type = self.tx.into_c();
        config.rx_filter = self.rx.into_c();
    }
}

#[macros::kunit_tests(rust_net_hwtstamp)]
mod tests {
    use super::*;

    #[test]
    fn configurations_round_trip() -> Result {
        let mut c = bindings::kernel_hwtstamp_config::default();

        assert_eq!(Config::from_c(&c)?, Config::OFF);
        let config = Config {
            tx: TxMode::On,
            rx: RxFilter::PtpV2Event,
        };
        config.store(&mut c);
        assert_eq!((c.tx_type, c.rx_filter), (1, 12));
        assert_eq!(Config::from_c(&c)?, config);
        Ok(())
    }

    #[test]
    fn unknown_values_are_refused() {
        for (tx_type, rx_filter) in [(-1, 0), (4, 0), (0, -1), (0, 16), (c_int::MAX, 0)] {
            let c = bindings::kernel_hwtstamp_config {
                tx_type,
                rx_filter,
                ..Default::default()
            };
            assert_eq!(Config::from_c(&c).err(), Some(ERANGE));
        }
    }

    #[test]
    fn sets_hold_what_they_were_given() {
        const FILTERS: RxFilters = RxFilters::EMPTY.with(RxFilter::None).with(RxFilter::NtpAll);

        assert!(FILTERS.contains(RxFilter::None));
        assert!(FILTERS.contains(RxFilter::NtpAll));
        assert!(!FILTERS.contains(RxFilter::All));
        assert_eq!(FILTERS.into_raw(), 0x8001);
        assert_eq!(TxModes::EMPTY.with(TxMode::On).into_raw(), 2);
    }
}
