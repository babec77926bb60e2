// SPDX-License-Identifier: GPL-2.0

//! Watching what a network device receives.
//!
//! A packet handler sees every frame that a driver hands to the networking core, whether anybody
//! wants it or not. Drivers use one for self-tests.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     net::{
//!         device::{
//!             Device,
//!             Driver, //
//!         },
//!         packet,
//!         rtnl::Rtnl,
//!         skbuff::SkBuffRef, //
//!     },
//!     prelude::*,
//!     sync::atomic::{
//!         Atomic,
//!         Relaxed, //
//!     },
//!     time::{
//!         delay::fsleep,
//!         Delta, //
//!     }, //
//! };
//!
//! struct Count(Atomic<u32>);
//!
//! impl packet::Handler for Count {
//!     fn receive(&self, _frame: &SkBuffRef) {
//!         self.0.fetch_add(1, Relaxed);
//!     }
//! }
//!
//! /// Counts the frames that are received in a second.
//! fn rate<T: Driver>(dev: &Device<T>, rtnl: &Rtnl) -> Result<u32> {
//!     let count = Count(Atomic::new(0));
//!
//!     packet::watch(dev, &count, rtnl, || fsleep(Delta::from_secs(1)))?;
//!     Ok(count.0.load(Relaxed))
//! }
//! ```

use super::{
    device::{
        Device,
        Driver, //
    },
    rtnl::Rtnl,
    skbuff::SkBuffRef, //
};
use crate::{
    bindings,
    prelude::*,
    types::Opaque, //
};
use core::ptr;

/// Something that sees the frames which a device receives.
pub trait Handler: Sync {
    /// Called with each frame, in softirq context, on any CPU and on several at the same time.
    ///
    /// The frame is without its Ethernet header, and without its outermost VLAN tag, which is
    /// [beside it](SkBuffRef::vlan_tag).
    fn receive(&self, frame: &SkBuffRef);
}

/// Calls `handler` with each frame that `dev` receives while `f` runs. May sleep.
///
/// Returns `ENODEV` without calling `f` if the device is not registered.
pub fn watch<T: Driver, H: Handler, R>(
    dev: &Device<T>,
    handler: &H,
    _rtnl: &Rtnl,
    f: impl FnOnce() -> R,
) -> Result<R> {
    // The unregistration expects that there is none left when it has waited for those who hold the
    // device, which a handler does not.
    if !dev.is_registered() {
        return Err(ENODEV);
    }

    let packets = Opaque::new(bindings::packet_type {
        // CAST: A constant of 16 bits.
        type_: (bindings::ETH_P_ALL as u16).to_be(),
        ignore_outgoing: true,
        dev: dev.as_raw(),
        func: Some(receive::<H>),
        af_packet_priv: ptr::from_ref(handler).cast_mut().cast(),
        ..pin_init::zeroed()
    });

    // SAFETY: `packets` is initialised and stays where it is until it is removed below. The device
    // is registered, and as the caller holds rtnl it does not change its namespace or go away
    // meanwhile.
    unsafe { bindings::dev_add_pack(packets.get()) };

    let result = f();

    // SAFETY: It was added above. This waits until nobody uses it any more, and `handler` with it.
    unsafe { bindings::dev_remove_pack(packets.get()) };

    Ok(result)
}

/// # Safety
///
/// Only to be called by the networking core, as the function of a `packet_type` that was made by
/// [`watch`] for an `H`, and with a reference to `skb` that is given away.
unsafe extern "C" fn receive<H: Handler>(
    skb: *mut bindings::sk_buff,
    _dev: *mut bindings::net_device,
    packets: *mut bindings::packet_type,
    _orig_dev: *mut bindings::net_device,
) -> c_int {
    // SAFETY: By the safety requirements; `watch` borrows the handler until it is not used any
    // more.
    let handler = unsafe { &*(*packets).af_packet_priv.cast::<H>() };

    // SAFETY: By the safety requirements the buffer is valid, and whoever else holds it does not
    // change it.
    handler.receive(unsafe { SkBuffRef::from_raw(skb) });

    // SAFETY: The reference is ours.
    unsafe {
        bindings::dev_kfree_skb_any_reason(skb, bindings::skb_drop_reason_SKB_CONSUMED);
    }
    0
}

#[cfg(CONFIG_RUST_NETDEV_KUNIT_TEST)]
#[kunit_tests(rust_net_packet)]
mod tests {
    use super::*;
    use crate::{
        net::{
            device::{
                Registration,
                UnregisteredDevice, //
            },
            napi::testing::{
                Null,
                Parent, //
            },
            rtnl, //
        },
        sync::atomic::{
            Atomic,
            Relaxed, //
        }, //
    };

    struct Nothing;

    impl Handler for Nothing {
        fn receive(&self, _frame: &SkBuffRef) {}
    }

    #[test]
    fn only_a_registered_device_is_watched() -> Result {
        let parent = Parent::new()?;
        let dev = UnregisteredDevice::<Null>::new(parent.device(), 1, 1)?;
        let device = dev.device();
        let calls = Atomic::new(0u32);
        let watch = || watch(device, &Nothing, &rtnl::lock(), || calls.add(1, Relaxed));

        assert_eq!(watch(), Err(ENODEV));
        // SAFETY: It is dropped below; if an assertion fails before, everything is leaked.
        let reg = unsafe { Registration::new(dev, Ok::<_, Error>(())) }?;
        assert_eq!(watch(), Ok(()));
        drop(reg);
        assert_eq!(watch(), Err(ENODEV));
        assert_eq!(calls.load(Relaxed), 1);
        Ok(())
    }
}
