// SPDX-License-Identifier: GPL-2.0

//! Page pools: recycled, DMA mapped receive buffers.
//!
//! A [`PagePool`] belongs to one NAPI and hands out fragments of pages as [`RxBuffer`]s. The device
//! writes to the [`dma_address()`](RxBuffer::dma_address) of a buffer, after which the buffer
//! becomes a [`SkBuff`]. The networking stack returns the memory to the pool when it is done.
//!
//! # Soundness
//!
//! A pool has an allocation cache without a lock. It is used by
//!
//! 1. the functions that allocate, and
//! 2. whoever returns memory in softirq context on the CPU the NAPI of the pool is scheduled on
//!    (`page_pool_napi_local()` compares `list_owner`).
//!
//! [`PagePool::alloc`] takes `&mut self` and the [`Context`] of that very NAPI, so there is one
//! allocation at a time, and it runs either in the poll function, which is in softirq context on
//! the CPU the NAPI is scheduled on, where nobody else of the second kind can run; or while the
//! NAPI is disabled, when it is not scheduled anywhere. Netpoll, which polls on any CPU and with
//! interrupts disabled, is refused. A pool that is not [attached](PagePool::attach) to a NAPI has
//! no users of the second kind.
//!
//! What nothing here can check is that the device has stopped using a buffer when the driver turns
//! it into a packet, or drops it or the pool: without an IOMMU that confines it the device can
//! write anywhere, and it is the driver, which has given it the address, that is trusted to have
//! looked. So is the number of bytes that were received. A buffer that the device has not written
//! to holds zeros or what was received before, but nothing from elsewhere in the system; with the
//! exception of bounce buffers, and of CPUs that throw their cache away in front of a transfer.
//!
//! C header: [`include/net/page_pool/helpers.h`](srctree/include/net/page_pool/helpers.h)
//!
//! Reference: <https://docs.kernel.org/networking/page_pool.html>
//!
//! # Examples
//!
//! ```
//! use kernel::{
//!     device,
//!     net::{
//!         napi::{
//!             Context,
//!             PollContext, //
//!         },
//!         page_pool::{
//!             Config,
//!             PagePool,
//!             RxBuffer,
//!             RxLayout,
//!             HEADROOM, //
//!         }, //
//!     },
//!     prelude::*, //
//! };
//!
//! fn open<'a>(
//!     dev: &'a device::Device<device::Bound>,
//!     cx: &Context<'_>,
//! ) -> Result<(PagePool<'a>, RxBuffer)> {
//!     let mut pool = PagePool::new(
//!         dev,
//!         &Config {
//!             pool_size: 512,
//!             frag_size: RxLayout::new(HEADROOM, 1536).frag_size,
//!             headroom: HEADROOM,
//!         },
//!     )?;
//!     let buffer = pool.alloc(None, GFP_KERNEL)?;
//!
//!     pool.attach(cx)?;
//!
//!     Ok((pool, buffer))
//! }
//!
//! fn receive(buffer: RxBuffer, cx: &mut PollContext<'_>, len: u32) -> Result {
//!     let skb = buffer.into_skb(cx, len).map_err(|(e, _buffer)| e)?;
//!
//!     cx.gro_receive(skb);
//!     Ok(())
//! }
//! ```

use super::{
    device::{
        Device,
        Driver, //
    },
    napi::{
        Context,
        Core,
        PollContext, //
    },
    rtnl::Rtnl,
    skbuff::SkBuff, //
};
use crate::{
    alloc::{
        flags::__GFP_HIGHMEM,
        Flags, //
    },
    bindings,
    device::{
        self,
        Bound, //
    },
    devres::Devres,
    dma::{
        DataDirection,
        DmaAddress, //
    },
    error::from_err_ptr,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

/// [`PAGE_SIZE`] as the C functions want it.
// CAST: The page size fits into 32 bits on every architecture.
const PAGE_BYTES: u32 = PAGE_SIZE as u32;

/// Rounds up like the C macro `SKB_DATA_ALIGN`.
const fn skb_data_align(len: u32) -> u32 {
    const MASK: u32 = bindings::SMP_CACHE_BYTES - 1;

    len.saturating_add(MASK) & !MASK
}

/// Space that a socket buffer needs behind its data.
// CAST: The structure is smaller than a page.
const TAILROOM: u32 = skb_data_align(size_of::<bindings::skb_shared_info>() as u32);

/// Headroom that the networking stack likes to find in front of a received packet: room for another
/// header, and an offset that aligns the network header where the CPU cares.
pub const HEADROOM: u32 = {
    // `NET_SKB_PAD` is an expression that bindgen cannot evaluate.
    let pad = if bindings::SMP_CACHE_BYTES > 32 {
        bindings::SMP_CACHE_BYTES
    } else {
        32
    };
    pad + bindings::NET_IP_ALIGN
};

/// The layout of a receive buffer: headroom, data, and what a socket buffer needs behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxLayout {
    /// Number of bytes of the whole buffer, see [`Config::frag_size`].
    pub frag_size: u32,
}

impl RxLayout {
    /// Returns the layout for `data_len` bytes of data.
    ///
    /// The result may be larger than a page, which [`PagePool::new`] does not accept.
    pub const fn new(headroom: u32, data_len: u32) -> Self {
        Self {
            frag_size: skb_data_align(headroom.saturating_add(data_len)).saturating_add(TAILROOM),
        }
    }

    /// Returns the number of bytes of data that fit into a buffer.
    pub const fn capacity(self, headroom: u32) -> u32 {
        self.frag_size
            .saturating_sub(TAILROOM)
            .saturating_sub(headroom)
    }

    /// Returns the number of bytes of data that fit into a buffer of one page.
    pub const fn max_data(headroom: u32) -> u32 {
        Self {
            frag_size: PAGE_BYTES,
        }
        .capacity(headroom)
    }

    /// Returns the layout that the pool really uses: aligned, and the whole page if only one buffer
    /// fits into it, because there is no other use for the rest.
    fn effective(self, headroom: u32) -> Result<Self> {
        let frag_size = skb_data_align(self.frag_size);

        if frag_size > PAGE_BYTES || self.capacity(headroom) == 0 {
            return Err(EINVAL);
        }

        Ok(Self {
            frag_size: if frag_size > PAGE_BYTES / 2 {
                PAGE_BYTES
            } else {
                frag_size
            },
        })
    }
}

/// Parameters of a [`PagePool`].
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Number of pages that the pool keeps for reuse, about as many as the descriptor ring holds.
    ///
    /// 0 stands for a default, and more than 16384 for 16384.
    pub pool_size: u32,
    /// Number of bytes of a buffer, including headroom and overhead. See [`RxLayout`].
    pub frag_size: u32,
    /// Number of bytes in front of the data that are left to the networking stack.
    pub headroom: u32,
}

/// The C side of a pool. Dropping it destroys the pool.
///
/// # Invariants
///
/// The page pool is valid, and this object is its only user besides the [`PagePool`] that it is a
/// part of. Its NAPI, if any, exists.
struct Raw(NonNull<bindings::page_pool>);

// SAFETY: A pool may be destroyed by any task.
unsafe impl Send for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        let pool = self.0.as_ptr();

        // SAFETY: By the type invariants the pool is valid. Nobody attaches it any more.
        if !unsafe { (*pool).p.napi }.is_null() {
            // C warns about this if the NAPI is enabled.
            //
            // SAFETY: By the type invariants the pool and its NAPI are valid.
            unsafe { bindings::page_pool_disable_direct_recycling(pool) };

            // Whoever has seen the NAPI before, and uses the cache or an `RxBuffer` because of it,
            // does so with bottom halves disabled. No such section is left after a grace period.
            //
            // SAFETY: The function has no requirements for memory safety.
            unsafe { bindings::synchronize_net() };
        }

        // SAFETY: By the type invariants this object is the only user of the pool. Nobody uses the
        // allocation cache any more: the `PagePool` is being dropped, or it was forgotten and its
        // lifetime is over, which excludes `alloc()`; and direct recycling was disabled, while it
        // was impossible or with a grace period.
        //
        // This unmaps all pages, also those which are in use. The pool itself is freed when the
        // last page comes back, and does not use the device after this.
        unsafe { bindings::page_pool_destroy(pool) };
    }
}

/// A pool of receive buffers.
///
/// It is destroyed when it is dropped, or when the device is unbound should it have been forgotten.
///
/// # Invariants
///
/// - `pool` is the page pool of `raw`, which is not revoked as long as the device is bound. It was
///   created for pages of order 0 which are mapped for DMA from the device, with a `p.offset` of 0.
///   Its NAPI is the one of `core`, if any.
/// - `frag_size` and `headroom` are a valid layout in the sense of `RxLayout::effective`.
pub struct PagePool<'a> {
    pool: NonNull<bindings::page_pool>,
    /// Dropped before `core`, which it uses.
    _raw: Devres<Raw>,
    core: Option<Arc<Core>>,
    frag_size: u32,
    headroom: u32,
    _bound: PhantomData<&'a device::Device<Bound>>,
}

// SAFETY: All functions that use the lockless parts of the pool take a `Context`, which is what
// makes them exclusive, not the task.
unsafe impl Send for PagePool<'_> {}

// SAFETY: There is nothing to be done with a shared reference except reading immutable fields.
unsafe impl Sync for PagePool<'_> {}

impl<'a> PagePool<'a> {
    /// Creates a pool for buffers that are written by `dev`.
    ///
    /// It belongs to no NAPI yet, see [`attach()`](Self::attach).
    ///
    /// Returns `EINVAL` if a buffer is larger than a page, or has no room for data.
    pub fn new(dev: &'a device::Device<Bound>, cfg: &Config) -> Result<Self> {
        // SAFETY: There is no network device.
        unsafe { Self::create(dev, cfg, core::ptr::null_mut()) }
    }

    /// As [`new()`](Self::new), for a network device: if that is registered, netlink (`netdev`
    /// family, `page-pool-get`) shows the pool with it.
    pub fn for_netdev<T: Driver>(
        dev: &'a device::Device<Bound>,
        cfg: &Config,
        netdev: &Device<T>,
        _rtnl: &Rtnl,
    ) -> Result<Self> {
        let netdev = if netdev.is_registered() {
            netdev.as_raw()
        } else {
            core::ptr::null_mut()
        };

        // SAFETY: If there is a network device, it is registered, and stays so for this call as the
        // rtnl mutex is held.
        unsafe { Self::create(dev, cfg, netdev) }
    }

    /// # Safety
    ///
    /// `netdev` must be null or a registered network device: what refers to it is told, by a
    /// notifier, when it is unregistered.
    unsafe fn create(
        dev: &'a device::Device<Bound>,
        cfg: &Config,
        netdev: *mut bindings::net_device,
    ) -> Result<Self> {
        let layout = RxLayout {
            frag_size: cfg.frag_size,
        }
        .effective(cfg.headroom)?;

        let mut params = bindings::page_pool_params::default();
        params.__bindgen_anon_1.fast =
            bindings::page_pool_params__bindgen_ty_1_page_pool_params_fast {
                order: 0,
                pool_size: cfg.pool_size,
                nid: bindings::NUMA_NO_NODE,
                dev: dev.as_raw(),
                napi: core::ptr::null_mut(),
                dma_dir: DataDirection::FromDevice.into(),
                max_len: PAGE_BYTES,
                offset: 0,
            };
        params.__bindgen_anon_2.slow.flags =
            bindings::PP_FLAG_DMA_MAP | bindings::PP_FLAG_DMA_SYNC_DEV;
        params.__bindgen_anon_2.slow.netdev = netdev;
        // Costs nothing but for pages that are new to the pool. `__GFP_ZERO` is no alternative: the
        // flags are also used for the nodes of an XArray, which have a constructor.
        params.__bindgen_anon_2.slow.init_callback = Some(clear);
        params.__bindgen_anon_2.slow.init_arg = dev.as_raw().cast();

        // SAFETY: The parameters are valid. The device is bound, and stays so until the pool is
        // destroyed, by `Devres` at the latest; the network device, if any, is registered.
        let pool = from_err_ptr(unsafe { bindings::page_pool_create(&params) })?;
        let pool = NonNull::new(pool).ok_or(ENOMEM)?;

        // INVARIANT: As requested above. The pool is new and has no NAPI.
        Ok(Self {
            pool,
            _raw: Devres::new(dev, Raw(pool))?,
            core: None,
            frag_size: layout.frag_size,
            headroom: cfg.headroom,
            _bound: PhantomData,
        })
    }

    /// Returns the number of bytes of data in a buffer.
    ///
    /// This may be more than what was asked for.
    #[inline]
    pub fn capacity(&self) -> u32 {
        RxLayout {
            frag_size: self.frag_size,
        }
        .capacity(self.headroom)
    }

    /// Returns whether `cx` is the context of the NAPI of the pool.
    #[inline]
    fn is_owned_by(&self, cx: &Context<'_>) -> bool {
        self.core
            .as_ref()
            .is_some_and(|core| core::ptr::eq(&**cx.core(), &**core))
    }

    /// Makes the NAPI of `cx`, which must be disabled, the one that uses the pool.
    ///
    /// From then on memory that comes back on behalf of this NAPI takes a shortcut,
    /// [`alloc()`](Self::alloc) requires its context, and buffers can be turned into packets.
    ///
    /// Returns `EBUSY` if the pool belongs to a NAPI already, or the NAPI is not disabled.
    pub fn attach(&mut self, cx: &Context<'_>) -> Result {
        if self.core.is_some() || !cx.is_disabled() {
            return Err(EBUSY);
        }

        // INVARIANT: Set together with the NAPI of the pool. The NAPI structure is valid as long as
        // the pool exists, because it is referenced.
        self.core = Some(cx.core().clone());

        // SAFETY: By the type invariants the pool is valid. It had no NAPI before.
        unsafe {
            bindings::page_pool_enable_direct_recycling(self.pool.as_ptr(), cx.core().as_raw())
        };
        Ok(())
    }

    /// Undoes [`attach()`](Self::attach), given the context of the NAPI while that is disabled.
    ///
    /// To be called before the NAPI is enabled with another pool, or before this pool is dropped.
    /// Buffers that are left can only be dropped, unless the pool is attached again.
    ///
    /// Returns `EINVAL` if the pool belongs to another NAPI or none, and `EBUSY` if the NAPI is not
    /// disabled.
    pub fn detach(&mut self, cx: &Context<'_>) -> Result {
        if !self.is_owned_by(cx) {
            return Err(EINVAL);
        }
        if !cx.is_disabled() {
            return Err(EBUSY);
        }

        // SAFETY: By the type invariants the pool is valid. As the NAPI is disabled, nobody returns
        // memory to the allocation cache.
        unsafe { bindings::page_pool_disable_direct_recycling(self.pool.as_ptr()) };

        // INVARIANT: The pool has no NAPI any more.
        self.core = None;
        Ok(())
    }

    /// Allocates a buffer.
    ///
    /// A pool that belongs to no NAPI can be used anywhere, for example to fill a ring that is not
    /// in use yet: there is no shortcut then that it could race with. One that was
    /// [attached](Self::attach) requires the context of its NAPI. `EINVAL` is returned if `cx` is
    /// another one or none, and `EBUSY` if it is polled by netpoll.
    ///
    /// Does not wait for memory, whatever `gfp` says.
    #[inline]
    pub fn alloc(&mut self, cx: Option<&Context<'_>>, gfp: Flags) -> Result<RxBuffer> {
        if self.core.is_some() {
            let cx = cx.filter(|cx| self.is_owned_by(cx)).ok_or(EINVAL)?;

            if cx.is_netpoll() {
                return Err(EBUSY);
            }
        }

        // `page_address()` must work. And C must not wait for memory: outside of softirqs it enters
        // the page into an XArray with bottom halves disabled, which that does not know of.
        let gfp = gfp & !__GFP_HIGHMEM & !(GFP_KERNEL & !GFP_NOWAIT);
        let mut offset: c_uint = 0;

        // SAFETY: By the type invariants the pool is valid and the size does not exceed a page. Why
        // this does not race with other users of the allocation cache: see the module.
        let page = unsafe {
            if self.frag_size == PAGE_BYTES {
                bindings::page_pool_alloc_pages(self.pool.as_ptr(), gfp.as_raw())
            } else {
                bindings::page_pool_alloc_frag(
                    self.pool.as_ptr(),
                    &mut offset,
                    self.frag_size,
                    gfp.as_raw(),
                )
            }
        };

        // INVARIANT: The fragment was just allocated from the pool.
        Ok(RxBuffer {
            page: NonNull::new(page).ok_or(ENOMEM)?,
            pool: self.pool,
            offset,
            frag_size: self.frag_size,
            headroom: self.headroom,
        })
    }
}

/// Clears a page that is new to a pool: it may become a packet before the device has written to it,
/// and holds whatever was in it.
///
/// # Safety
///
/// Only to be called by a page pool that maps its pages for DMA from a device, as `init_callback`
/// with that device.
unsafe extern "C" fn clear(netmem: bindings::netmem_ref, dev: *mut c_void) {
    // SAFETY: By the safety requirements. A page that is being allocated is nobody else's.
    unsafe { bindings::page_pool_clear_page(dev.cast(), netmem) };
}

/// A receive buffer: a fragment of a page of a [`PagePool`].
///
/// It may outlive the pool it was taken from. Such a buffer can only be dropped.
///
/// The device must have stopped using the buffer before it is dropped or turned into a socket
/// buffer: the memory is reused after that.
///
/// # Invariants
///
/// - `page` belongs to `pool`, and this object owns one of the references to it, namely to the
///   `frag_size` bytes at `offset`. The C structure `pool` exists as long as any such reference.
/// - `frag_size` and `headroom` are a valid layout in the sense of `RxLayout::effective`.
pub struct RxBuffer {
    page: NonNull<bindings::page>,
    pool: NonNull<bindings::page_pool>,
    offset: u32,
    frag_size: u32,
    headroom: u32,
}

// SAFETY: A fragment may be returned to its pool by any task.
unsafe impl Send for RxBuffer {}

// SAFETY: There is nothing to be done with a shared reference except reading immutable fields.
unsafe impl Sync for RxBuffer {}

impl RxBuffer {
    /// Returns the address at which the device is to write the data.
    ///
    /// It is unmapped when the pool is dropped.
    #[inline]
    pub fn dma_address(&self) -> DmaAddress {
        // SAFETY: By the type invariants the page belongs to a pool that maps its pages.
        let page = unsafe { bindings::page_pool_get_dma_addr(self.page.as_ptr()) };

        page.wrapping_add(self.data_offset().into())
    }

    /// Returns the number of bytes that the device may write.
    #[inline]
    pub fn capacity(&self) -> u32 {
        RxLayout {
            frag_size: self.frag_size,
        }
        .capacity(self.headroom)
    }

    /// Returns the offset of the data in the page.
    #[inline]
    fn data_offset(&self) -> u32 {
        // Does not overflow: by the type invariants the sum is less than the page size.
        self.offset.wrapping_add(self.headroom)
    }

    /// Makes `len` bytes written by the device visible to the CPU.
    ///
    /// Fails if that is more than the device was allowed to write, or if the pool is not one of the
    /// NAPI of `cx` (any more).
    #[inline]
    fn receive(&self, cx: &PollContext<'_>, len: u32) -> Result {
        let pool = self.pool.as_ptr();

        if cx.is_netpoll() {
            return Err(EBUSY);
        }

        // SAFETY: By the type invariants the pool exists. The C code reads and writes the field
        // without a lock, too.
        let napi = unsafe { (&raw const (*pool).p.napi).read_volatile() };

        // The destructor of `Raw` resets the field, and waits for this poll before it goes on to
        // unmap the page.
        if len > self.capacity() || napi != cx.core().as_raw() {
            return Err(EINVAL);
        }

        // SAFETY: By the type invariants the range is part of a page of the pool. The page is
        // mapped because the pool was not destroyed.
        unsafe {
            bindings::page_pool_dma_sync_for_cpu(pool, self.page.as_ptr(), self.data_offset(), len)
        };
        Ok(())
    }

    /// Turns the buffer into a socket buffer with `len` bytes of data.
    ///
    /// Must be called in the poll function of the NAPI of the pool. Hands back the buffer if `len`
    /// exceeds the [`capacity()`](Self::capacity), or if there is no memory.
    #[inline]
    pub fn into_skb(self, cx: &PollContext<'_>, len: u32) -> Result<SkBuff, (Error, RxBuffer)> {
        if let Err(e) = self.receive(cx, len) {
            return Err((e, self));
        }

        // SAFETY: By the type invariants the page is valid, and not in high memory.
        let va = unsafe { bindings::page_address(self.page.as_ptr()) };

        // SAFETY: By the type invariants the offset is inside of the page.
        let va = unsafe { va.byte_add(crate::num::casts::u32_as_usize(self.offset)) };

        // SAFETY: `va` points to `frag_size` bytes which this object owns, aligned as needed, with
        // room for the overhead. This is softirq context, as the poll is not one of netpoll.
        let skb = unsafe { bindings::napi_build_skb(va, self.frag_size) };

        let Some(skb) = NonNull::new(skb) else {
            return Err((ENOMEM, self));
        };

        // The ownership of the fragment passes on to the socket buffer.
        let this = ManuallyDrop::new(self);

        // CAST: The headroom is less than the page size.
        //
        // SAFETY: The socket buffer is new, hence empty and not shared. Headroom and data fit, as
        // was checked. Its head is a fragment of a page pool.
        unsafe {
            bindings::skb_mark_for_recycle(skb.as_ptr());
            bindings::skb_reserve(skb.as_ptr(), this.headroom as c_int);
            bindings::skb_put(skb.as_ptr(), len);
        }

        // SAFETY: It was just created, and nobody else has a reference to it.
        Ok(unsafe { SkBuff::from_raw(skb) })
    }

    /// Appends `len` bytes of data in this buffer to `skb`, without copying them.
    ///
    /// Must be called in the poll function of the NAPI of the pool. `skb` must have been made by
    /// [`into_skb()`](Self::into_skb) and not been passed to [`SkBuff::eth_type_trans`], `EINVAL`
    /// is returned otherwise. Returns `EMSGSIZE` if `skb`
    /// consists of as many fragments as possible already. The buffer is handed back on failure.
    pub fn add_to(
        self,
        cx: &PollContext<'_>,
        skb: &mut SkBuff,
        len: u32,
    ) -> Result<(), (Error, RxBuffer)> {
        let raw = skb.as_raw();

        // SAFETY: An `SkBuff` is valid.
        let (recycle, cloned, dev, info) = unsafe {
            (
                bindings::skb_pp_recycle(raw),
                bindings::skb_cloned(raw) != 0,
                bindings::skb_dev(raw),
                bindings::skb_shinfo(raw),
            )
        };

        // SAFETY: The shared info of a valid socket buffer is valid.
        let (nr_frags, max_frags) = unsafe { ((*info).nr_frags, (*info).frags.len()) };

        // A packet that came from elsewhere has a device. It may be accounted to a socket, by a
        // size that must not change.
        if !recycle || cloned || !dev.is_null() {
            return Err((EINVAL, self));
        }
        if usize::from(nr_frags) >= max_frags {
            return Err((EMSGSIZE, self));
        }
        if let Err(e) = self.receive(cx, len) {
            return Err((e, self));
        }

        let this = ManuallyDrop::new(self);

        // CAST: Offset and length are less than the page size.
        //
        // SAFETY: The socket buffer is valid, belongs to nobody else, has room for another
        // fragment, and returns its fragments to their page pools. It takes over the ownership of
        // this one.
        unsafe {
            bindings::skb_add_rx_frag(
                raw,
                nr_frags.into(),
                this.page.as_ptr(),
                this.data_offset() as c_int,
                len as c_int,
                this.frag_size,
            )
        };
        Ok(())
    }
}

impl Drop for RxBuffer {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: These only look at the state of the CPU.
        if unsafe { bindings::in_hardirq() || bindings::irqs_disabled() } {
            // C would mistake an interrupt in softirq context for the latter, and corrupt the
            // allocation cache. There is nowhere to put the page, other than leaking it.
            crate::pr_warn_once!("page_pool: buffer leaked: dropped with interrupts disabled\n");
            return;
        }

        // SAFETY: By the type invariants this object owns the reference that is given up here. No
        // direct recycling is asked for; C does it nevertheless when that is possible.
        unsafe { bindings::page_pool_put_full_page(self.pool.as_ptr(), self.page.as_ptr(), false) };
    }
}

#[kunit_tests(rust_net_page_pool)]
mod tests {
    use super::*;
    use crate::{
        net::napi::{
            testing::{
                eventually,
                Parent, //
            },
            Napi,
            Poll,
            Polled, //
        },
        page::Page,
        sync::atomic::{
            Acquire,
            Atomic,
            Release, //
        }, //
    };

    /// Creates a pool that belongs to the NAPI of `cx`.
    fn attached<'a>(
        dev: &'a device::Device<Bound>,
        cx: &Context<'_>,
        cfg: &Config,
    ) -> Result<PagePool<'a>> {
        let mut pool = PagePool::new(dev, cfg)?;

        pool.attach(cx)?;
        Ok(pool)
    }

    #[test]
    fn layout_holds_the_data() {
        for headroom in [0, 2, 64, 66, 256] {
            for data in [1, 64, 1500, 1514, 1536, 1600] {
                let layout = RxLayout::new(headroom, data);

                assert!(layout.capacity(headroom) >= data);
                assert!(layout.capacity(headroom) < data + bindings::SMP_CACHE_BYTES);
                assert_eq!(layout.frag_size % bindings::SMP_CACHE_BYTES, 0);
            }
        }
    }

    #[test]
    fn max_data_is_one_page() {
        for headroom in [0, 64, 128] {
            let max = RxLayout::max_data(headroom);

            assert_eq!(RxLayout::new(headroom, max).frag_size, PAGE_BYTES);
            assert!(RxLayout::new(headroom, max + 1).frag_size > PAGE_BYTES);
        }
    }

    #[test]
    fn impossible_layouts_are_rejected() {
        let no_data = RxLayout::new(64, 0);

        assert_eq!(no_data.effective(64), Err(EINVAL));
        assert_eq!(RxLayout { frag_size: 0 }.effective(0), Err(EINVAL));
        assert_eq!(RxLayout::new(0, PAGE_BYTES).effective(0), Err(EINVAL));
        assert_eq!(RxLayout::new(u32::MAX, 1).effective(0), Err(EINVAL));
        assert_eq!(RxLayout::new(0, u32::MAX).effective(u32::MAX), Err(EINVAL));
    }

    #[test]
    fn no_part_of_a_page_is_wasted() {
        let half = RxLayout {
            frag_size: PAGE_BYTES / 2,
        };
        let more = RxLayout {
            frag_size: PAGE_BYTES / 2 + 1,
        };
        let odd = RxLayout { frag_size: 1000 };

        assert_eq!(half.effective(64), Ok(half));
        assert_eq!(more.effective(64).map(|l| l.frag_size), Ok(PAGE_BYTES));
        assert_eq!(odd.effective(64).map(|l| l.frag_size), Ok(1024));
    }

    const CONFIG: Config = Config {
        pool_size: 16,
        frag_size: RxLayout::new(64, 1536).frag_size,
        headroom: 64,
    };

    /// Turns two buffers into a packet when polled.
    #[derive(Default)]
    struct Rx<'a> {
        pool: Option<PagePool<'a>>,
        buffers: [Option<RxBuffer>; 2],
        outcome: Option<Result>,
        done: Option<Arc<Atomic<bool>>>,
    }

    impl Rx<'_> {
        fn receive(&mut self, cx: &PollContext<'_>) -> Result {
            let first = self.buffers[0].take().ok_or(ENOENT)?;
            let capacity = first.capacity();

            let Err((EINVAL, first)) = first.into_skb(cx, capacity + 1) else {
                return Err(EIO);
            };
            let mut skb = first.into_skb(cx, 100).map_err(|(e, _)| e)?;
            if (skb.len(), skb.headlen(), skb.nr_frags()) != (100, 100, 0) {
                return Err(EIO);
            }

            let second = self.buffers[1].take().ok_or(ENOENT)?;
            let Err((EINVAL, second)) = second.add_to(cx, &mut skb, capacity + 1) else {
                return Err(EIO);
            };
            second.add_to(cx, &mut skb, capacity).map_err(|(e, _)| e)?;
            if (skb.len(), skb.headlen(), skb.nr_frags()) != (100 + capacity, 100, 1) {
                return Err(EIO);
            }

            // A packet has room for a limited number of fragments.
            let pool = self.pool.as_mut().ok_or(ENOENT)?;
            for _ in 0..100 {
                let buffer = pool.alloc(Some(&**cx), GFP_ATOMIC)?;
                match buffer.add_to(cx, &mut skb, 1) {
                    Ok(()) => {}
                    Err((EMSGSIZE, _)) => return Ok(()),
                    Err((e, _)) => return Err(e),
                }
            }
            Err(EIO)
        }
    }

    impl Poll for Rx<'_> {
        type Irq = ();

        fn poll(&mut self, cx: &mut PollContext<'_>) -> Polled {
            self.outcome = Some(self.receive(cx));
            if let Some(done) = &self.done {
                done.store(true, Release);
            }
            Polled::Done(1)
        }

        fn rearm(_irq: &()) {}
    }

    fn napi(parent: &Parent) -> Result<Pin<KBox<Napi<'_, Rx<'_>>>>> {
        // SAFETY: The tests drop it.
        let napi = unsafe { Napi::new(parent.netdev()?, (), Ok(Rx::default())) };

        KBox::pin_init(napi, GFP_KERNEL)
    }

    /// Calls a function with access to a disabled NAPI.
    fn disabled<'a, R>(
        napi: &Napi<'a, Rx<'a>>,
        f: impl FnOnce(&mut Rx<'a>, &Context<'_>) -> Result<R>,
    ) -> Result<R> {
        napi.with_disabled(f).ok_or(EBUSY)?
    }

    /// Creates a pool that is attached to a NAPI, and a buffer of it.
    fn pool_with_buffer<'a>(
        parent: &'a Parent,
        owner: &Napi<'a, Rx<'a>>,
    ) -> Result<(PagePool<'a>, RxBuffer)> {
        disabled(owner, |_, cx| {
            let mut pool = attached(parent.device(), cx, &CONFIG)?;
            let buffer = pool.alloc(Some(cx), GFP_KERNEL)?;

            Ok((pool, buffer))
        })
    }

    #[test]
    fn fragments_do_not_overlap() -> Result {
        let parent = Parent::new()?;
        let napi = napi(&parent)?;

        disabled(&napi, |_, cx| {
            let mut pool = attached(parent.device(), cx, &CONFIG)?;
            let mut buffers = KVec::new();

            for _ in 0..32 {
                buffers.push(pool.alloc(Some(cx), GFP_KERNEL)?, GFP_KERNEL)?;
            }
            let size = DmaAddress::from(CONFIG.frag_size);
            for (i, a) in buffers.iter().enumerate() {
                assert!(a.capacity() >= 1536);
                assert_eq!(a.capacity(), pool.capacity());
                for b in buffers.iter().skip(i + 1) {
                    assert!(a.dma_address().abs_diff(b.dma_address()) >= size);
                }
            }
            Ok(())
        })
    }

    /// Returns the memory that the device would write to.
    fn contents(buffer: &RxBuffer) -> &[u8] {
        // SAFETY: The page is valid and not in high memory. There is no device, and the buffer owns
        // the bytes.
        unsafe {
            let page = bindings::page_address(buffer.page.as_ptr()).cast::<u8>();

            core::slice::from_raw_parts(
                page.add(buffer.data_offset() as usize),
                buffer.capacity() as usize,
            )
        }
    }

    #[test]
    fn new_memory_is_zero() -> Result {
        let parent = Parent::new()?;
        let whole_page = Config {
            frag_size: PAGE_BYTES,
            ..CONFIG
        };

        // What the allocator is likely to hand out next.
        let mut used = KVec::new();
        for _ in 0..128 {
            let page = Page::alloc_page(GFP_KERNEL)?;
            // SAFETY: Nobody else uses the page; it has as many bytes and is not in high memory.
            unsafe {
                bindings::page_address(page.as_ptr())
                    .cast::<u8>()
                    .write_bytes(0xa5, PAGE_SIZE)
            };
            used.push(page, GFP_KERNEL)?;
        }
        drop(used);

        let mut pool = PagePool::new(parent.device(), &whole_page)?;
        let mut buffers = KVec::new();
        for _ in 0..128 {
            let buffer = pool.alloc(None, GFP_KERNEL)?;

            assert!(contents(&buffer).iter().all(|&byte| byte == 0));
            buffers.push(buffer, GFP_KERNEL)?;
        }
        Ok(())
    }

    #[test]
    fn a_forgotten_pool_ends_with_the_device() -> Result {
        let parent = Parent::new()?;
        let owner = napi(&parent)?;
        let (pool, buffer) = pool_with_buffer(&parent, &owner)?;
        let raw = buffer.pool.as_ptr();

        // As good as forgotten, but what it holds is not leaked.
        //
        // SAFETY: It is only dropped, which does nothing with a device that was unbound.
        let pool = unsafe { core::mem::transmute::<PagePool<'_>, PagePool<'static>>(pool) };

        drop(owner);
        // SAFETY: The pool exists as long as the buffer.
        assert_eq!(unsafe { (*raw).destroy_cnt }, 0);
        drop(parent);
        // SAFETY: As above.
        let (destroyed, napi) = unsafe { ((*raw).destroy_cnt, (*raw).p.napi) };
        assert_ne!(destroyed, 0);
        assert!(napi.is_null());
        drop(pool);
        drop(buffer);
        Ok(())
    }

    #[test]
    fn memory_is_reused() -> Result {
        let parent = Parent::new()?;
        let napi = napi(&parent)?;

        disabled(&napi, |_, cx| {
            let whole_page = Config {
                frag_size: PAGE_BYTES,
                ..CONFIG
            };
            let mut pool = attached(parent.device(), cx, &whole_page)?;

            // Nothing but the pages allocated at first is handed out after they were returned.
            let mut seen = KVec::new();
            for _ in 0..128 {
                let address = pool.alloc(Some(cx), GFP_KERNEL)?.dma_address();
                if !seen.contains(&address) {
                    seen.push(address, GFP_KERNEL)?;
                }
            }
            assert!(seen.len() < 128);
            Ok(())
        })
    }

    #[test]
    fn buffers_become_packets() -> Result {
        let parent = Parent::new()?;
        let napi = napi(&parent)?;
        let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;

        disabled(&napi, |rx, cx| {
            let mut pool = attached(parent.device(), cx, &CONFIG)?;

            rx.buffers = [
                Some(pool.alloc(Some(cx), GFP_KERNEL)?),
                Some(pool.alloc(Some(cx), GFP_KERNEL)?),
            ];
            rx.pool = Some(pool);
            rx.done = Some(done.clone());
            Ok(())
        })?;

        napi.enable();
        napi.schedule();
        assert!(eventually(|| done.load(Acquire)));
        napi.disable();

        disabled(&napi, |rx, cx| {
            rx.pool.take().ok_or(ENOENT)?.detach(cx)?;
            rx.outcome.take().ok_or(ENOENT)?
        })
    }

    #[test]
    fn a_pool_serves_one_napi() -> Result {
        let parent = Parent::new()?;
        let (owner, other) = (napi(&parent)?, napi(&parent)?);
        let mut pool = disabled(&owner, |_, cx| attached(parent.device(), cx, &CONFIG))?;

        disabled(&other, |_, cx| {
            assert_eq!(pool.alloc(Some(cx), GFP_KERNEL).err(), Some(EINVAL));
            assert_eq!(pool.attach(cx), Err(EBUSY));
            assert_eq!(pool.detach(cx), Err(EINVAL));
            Ok(())
        })?;
        assert_eq!(pool.alloc(None, GFP_KERNEL).err(), Some(EINVAL));
        disabled(&owner, |_, cx| {
            drop(pool.alloc(Some(cx), GFP_KERNEL)?);
            pool.detach(cx)?;
            assert_eq!(pool.detach(cx), Err(EINVAL));
            Ok(())
        })?;

        // Without a NAPI it can be used anywhere, and attached again.
        drop(pool.alloc(None, GFP_KERNEL)?);
        disabled(&other, |_, cx| {
            drop(pool.alloc(Some(cx), GFP_KERNEL)?);
            pool.attach(cx)
        })
    }

    #[test]
    fn a_pool_can_be_replaced() -> Result {
        let parent = Parent::new()?;
        let napi = napi(&parent)?;
        let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;
        let old = disabled(&napi, |_, cx| attached(parent.device(), cx, &CONFIG))?;

        // The new pool is set up while the old one is in use.
        napi.enable();
        let mut pool = PagePool::new(parent.device(), &CONFIG)?;
        let buffers = [
            Some(pool.alloc(None, GFP_KERNEL)?),
            Some(pool.alloc(None, GFP_KERNEL)?),
        ];
        napi.disable();

        let mut old = Some(old);
        disabled(&napi, |rx, cx| {
            old.as_mut().ok_or(ENOENT)?.detach(cx)?;
            pool.attach(cx)?;
            rx.pool = Some(pool);
            rx.buffers = buffers;
            rx.done = Some(done.clone());
            Ok(())
        })?;
        napi.enable();
        drop(old);

        napi.schedule();
        assert!(eventually(|| done.load(Acquire)));
        napi.disable();
        disabled(&napi, |rx, _| rx.outcome.take().ok_or(ENOENT)?)
    }

    #[test]
    fn pool_and_buffers_may_outlive_the_napi() -> Result {
        let parent = Parent::new()?;
        let owner = napi(&parent)?;
        let (pool, buffer) = pool_with_buffer(&parent, &owner)?;

        drop(owner);
        drop(pool);
        drop(buffer);
        Ok(())
    }

    #[test]
    fn orphans_do_not_become_packets() -> Result {
        let parent = Parent::new()?;
        let napi = napi(&parent)?;
        let done = Arc::new(Atomic::new(false), GFP_KERNEL)?;

        disabled(&napi, |rx, cx| {
            let mut pool = attached(parent.device(), cx, &CONFIG)?;

            rx.buffers = [Some(pool.alloc(Some(cx), GFP_KERNEL)?), None];
            rx.done = Some(done.clone());
            pool.detach(cx)
        })?;

        napi.enable();
        napi.schedule();
        assert!(eventually(|| done.load(Acquire)));
        napi.disable();

        disabled(&napi, |rx, _| {
            assert_eq!(rx.outcome.take(), Some(Err(EINVAL)));
            Ok(())
        })
    }
}
