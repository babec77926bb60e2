// SPDX-License-Identifier: GPL-2.0

//! Binding to a PCI function.

use core::marker::PhantomPinned;

use kernel::{
    device::{
        Bound,
        Core, //
    },
    dma::{
        Device as _,
        DmaMask, //
    },
    net::{
        device::Registration,
        rtnl, //
    },
    pci::{
        self,
        IrqType,
        IrqTypes,
        IrqVectorRegistration,
        PmOps,
        RuntimePm,
        SystemSleep, //
    },
    prelude::*,
    sync::Arc, //
};

use super::{
    Glue,
    PCI_TABLE, //
};

use crate::{
    hw::Hw,
    hwif::REGS_SIZE,
    netdev::Dwmac,
    port::{
        IrqPlan,
        Port, //
    }, //
};

/// The PCI driver.
pub(crate) struct Driver;

/// What is bound to a PCI function.
#[pin_data]
pub(crate) struct Function<'bound> {
    /// Dropped first: its interrupt handlers use the vectors.
    registration: Registration<'bound, Dwmac>,
    vectors: IrqVectorRegistration<'bound>,
    /// The registration refers to `vectors`.
    #[pin]
    _pinned: PhantomPinned,
}

/// Allocates the vectors: one a queue where the board has the layout and the platform the vectors,
/// else one for everything.
fn vectors<'a>(
    pdev: &'a pci::Device<Bound>,
    glue: &Glue,
) -> Result<(IrqVectorRegistration<'a>, IrqPlan)> {
    if let Some(layout) = glue.config.vectors {
        let types = IrqTypes::default().with(IrqType::MsiX).with(IrqType::Msi);
        if let Ok(vectors) = pdev.alloc_irq_vectors(layout.needed, layout.needed, types) {
            return Ok((vectors, IrqPlan::PerQueue(layout)));
        }
    }
    let vectors = pdev
        .alloc_irq_vectors(1, 1, IrqTypes::all())
        .inspect_err(|_| dev_err!(pdev, "no interrupt vector to be had\n"))?;
    let shared = matches!(vectors.irq_type(), IrqType::Intx);
    Ok((vectors, IrqPlan::Single { shared }))
}

impl pci::Driver for Driver {
    type IdInfo = Glue;
    type Data<'bound> = Function<'bound>;
    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
    const PM_OPS: PmOps<Self> = PmOps::SYSTEM_SLEEP_AND_RUNTIME;

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        glue: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            let glue = glue.ok_or(ENODEV)?;
            pdev.enable_device_mem()?;
            let regs = pdev
                .iomap_region_sized::<REGS_SIZE>(glue.bar, crate::NAME)
                .inspect_err(|_| {
                    dev_err!(pdev, "BAR {} is missing, in use or too small\n", glue.bar);
                })?;
            let hw = Hw::new(pdev.as_ref(), regs, glue.family, &glue.config)?;
            let hw = Arc::pin_init(hw, GFP_KERNEL)?;

            let core_bits = hw.features.address_bits;
            let bits = glue
                .config
                .dma_bits
                .map_or(core_bits, |bus| bus.min(core_bits));
            // SAFETY: Nothing of this device is allocated or mapped for DMA yet.
            unsafe { pdev.dma_set_mask_and_coherent(DmaMask::try_new(bits)?) }.inspect_err(
                |_| {
                    dev_err!(pdev, "the bus takes no DMA addresses of {} bits\n", bits);
                },
            )?;
            pdev.set_master();

            let (vectors, plan) = vectors(pdev, glue)?;
            dev_info!(
                pdev,
                "{}: {} served as {}, {} TX and {} RX queues, {} DMA bits, {}\n",
                glue.name,
                hw.spec,
                hw.hwif.name.to_str().unwrap_or_default(),
                hw.features.tx_queues,
                hw.features.rx_queues,
                bits,
                match plan {
                    IrqPlan::Single { .. } => "one vector",
                    IrqPlan::PerQueue(_) => "a vector a queue",
                }
            );
            Ok(try_pin_init!(Function {
                vectors,
                registration: {
                    // SAFETY: `vectors` is initialized, does not move, as `Function` is pinned, and
                    // is dropped after `registration`, which holds all that borrows it.
                    let vectors = unsafe { &*core::ptr::from_ref(vectors) };
                    let (device, data) = Port::new(hw, vectors, plan)?;
                    // SAFETY: The registration is stored in driver data and never forgotten.
                    unsafe { Registration::new(device, data) }?
                },
                _pinned: PhantomPinned,
            }))
        })
    }
}

impl SystemSleep for Driver {
    fn suspend<'bound>(
        _pdev: &'bound pci::Device<Core<'_>>,
        function: Pin<&Function<'bound>>,
    ) -> Result {
        function.registration.data().suspend(&rtnl::lock());
        Ok(())
    }

    fn resume<'bound>(
        _pdev: &'bound pci::Device<Core<'_>>,
        function: Pin<&Function<'bound>>,
    ) -> Result {
        function.registration.data().resume(&rtnl::lock())
    }
}

// A port that is down needs nothing but its clock, which is noted.
impl RuntimePm for Driver {
    // Who asks something has more to ask.
    const AUTOSUSPEND_DELAY: c_int = 500;

    fn runtime_suspend<'bound>(
        _pdev: &'bound pci::Device<Bound>,
        function: Pin<&Function<'bound>>,
    ) -> Result {
        function.registration.data().rest();
        Ok(())
    }

    fn runtime_resume<'bound>(_pdev: &'bound pci::Device<Bound>, function: Pin<&Function<'bound>>) {
        function.registration.data().rouse();
    }
}
