// SPDX-License-Identifier: GPL-2.0

//! vfio-user: a thin layer between the `vfio_user` crate and a PCI function.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use vfio_bindings::bindings::vfio::*;
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use crate::config::Config;
use crate::pci::{IrqIndex, BAR0_SIZE, CONFIG_SIZE, MSIX_BAR, MSIX_BAR_SIZE, VECTORS};
use crate::port::Shared;

const REGIONS: u32 = 9;
const REGION_CONFIG: u32 = VFIO_PCI_CONFIG_REGION_INDEX;

/// One client's view of a port.
pub struct Backend {
    shared: Arc<Shared>,
}

impl Backend {
    /// A view of a port.
    pub fn new(shared: Arc<Shared>) -> Backend {
        Backend { shared }
    }
}

/// Listens on a socket for a port of this configuration.
pub fn listen(cfg: &Config, path: &Path) -> Result<Server, vfio_user::Error> {
    let size = |index: u32| match index {
        VFIO_PCI_BAR0_REGION_INDEX => BAR0_SIZE,
        MSIX_BAR if cfg.irq.msix => MSIX_BAR_SIZE,
        REGION_CONFIG => CONFIG_SIZE as u64,
        _ => 0,
    };
    let regions = (0..REGIONS)
        .map(|index| ServerRegion {
            region_info: vfio_region_info {
                argsz: std::mem::size_of::<vfio_region_info>() as u32,
                // Not mappable: QEMU would give up posted writes for the whole device.
                flags: if size(index) > 0 {
                    VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE
                } else {
                    0
                },
                index,
                size: size(index),
                ..Default::default()
            },
            sparse_areas: vec![],
            mmap_fd: None,
        })
        .collect();
    let irqs = [
        (
            u32::from(cfg.irq.intx),
            VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED,
        ),
        (
            if cfg.irq.msi { VECTORS as u32 } else { 0 },
            VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
        ),
        (
            if cfg.irq.msix { VECTORS as u32 } else { 0 },
            VFIO_IRQ_INFO_EVENTFD,
        ),
        // Error events: never given, but QEMU warns where the index is missing.
        (1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE),
        (0, 0),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (count, flags))| IrqInfo {
        index: index as u32,
        count,
        flags,
    })
    .collect();
    Server::new(path, true, irqs, regions)
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

impl ServerBackend for Backend {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        match region {
            VFIO_PCI_BAR0_REGION_INDEX if offset < BAR0_SIZE => {
                self.shared.lock().bar0_read(offset, data);
            }
            REGION_CONFIG => self.shared.lock().config.read(offset as usize, data),
            MSIX_BAR => {
                // The client emulates the table; only the pending bits are ours.
                let mut bar = [0; MSIX_BAR_SIZE as usize];
                bar[0x800..0x804].copy_from_slice(&self.shared.lock().irq.pba().to_le_bytes());
                for (i, b) in data.iter_mut().enumerate() {
                    *b = bar.get(offset as usize + i).copied().unwrap_or(0);
                }
            }
            _ => data.fill(0xff),
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        match region {
            VFIO_PCI_BAR0_REGION_INDEX if offset < BAR0_SIZE => {
                let work = self.shared.lock().bar0_write(offset, data);
                if work {
                    self.shared.kick();
                }
            }
            REGION_CONFIG => {
                self.shared.lock().config_write(offset as usize, data);
                self.shared.kick();
            }
            _ => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> io::Result<()> {
        // Memory that cannot be mapped (a BAR of another device, a ROM) is no target of DMA here.
        let Some(fd) = fd else {
            return Ok(());
        };
        self.shared.lock().mac.mem.map(
            address,
            size,
            fd,
            offset,
            flags.contains(DmaMapFlags::READ),
            flags.contains(DmaMapFlags::WRITE),
        )
    }

    fn dma_unmap(&mut self, flags: DmaUnmapFlags, address: u64, size: u64) -> io::Result<()> {
        // The lock makes this wait for a transfer under way.
        let mut f = self.shared.lock();
        if flags.contains(DmaUnmapFlags::UNMAP_ALL) {
            f.mac.mem.clear();
        } else {
            f.mac.mem.unmap(address, size);
        }
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.shared.lock().reset();
        self.shared.kick();
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> io::Result<()> {
        let index = match index {
            VFIO_PCI_INTX_IRQ_INDEX => IrqIndex::Intx,
            VFIO_PCI_MSI_IRQ_INDEX => IrqIndex::Msi,
            VFIO_PCI_MSIX_IRQ_INDEX => IrqIndex::Msix,
            VFIO_PCI_ERR_IRQ_INDEX => return Ok(()),
            other => return Err(invalid(format!("no interrupt index {other}"))),
        };
        let (start, count) = (start as usize, count as usize);
        if start + count > VECTORS {
            return Err(invalid(format!("vectors {start}+{count} do not exist")));
        }
        let mut f = self.shared.lock();
        let lines = f.mac.lines();
        if flags & VFIO_IRQ_SET_ACTION_TRIGGER != 0 {
            if flags & VFIO_IRQ_SET_DATA_EVENTFD != 0 {
                let mut fds = fds.into_iter();
                let files = (0..count).map(|_| fds.next()).collect();
                f.irq.connect(index, start, files);
            } else if count == 0 {
                f.irq.disable(index);
            } else {
                for v in start..start + count {
                    f.irq.trigger(index, v);
                }
            }
        } else if index == IrqIndex::Intx && flags & VFIO_IRQ_SET_DATA_EVENTFD == 0 {
            f.irq
                .mask_intx(flags & VFIO_IRQ_SET_ACTION_MASK != 0, &lines);
        }
        f.update_irq(crate::gmac::Ack::None);
        drop(f);
        self.shared.kick();
        Ok(())
    }
}
