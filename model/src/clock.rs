// SPDX-License-Identifier: GPL-2.0

//! Time as the model sees it: real, or turned by hand in tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

static EPOCH: OnceLock<Instant> = OnceLock::new();

/// A source of time since the start of the process.
#[derive(Clone, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// A clock that stands still until [`Clock::advance`] is called.
    pub fn manual() -> Clock {
        Clock {
            manual: Some(Arc::default()),
        }
    }

    /// Time since the epoch.
    pub fn now(&self) -> Duration {
        match &self.manual {
            Some(ns) => Duration::from_nanos(ns.load(Ordering::Relaxed)),
            None => EPOCH.get_or_init(Instant::now).elapsed(),
        }
    }

    /// Turns a manual clock forward; has no effect on real time.
    pub fn advance(&self, by: Duration) {
        if let Some(ns) = &self.manual {
            ns.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
        }
    }
}
