// SPDX-License-Identifier: GPL-2.0

//! What debugfs shows of a device, in a folder of its own that exists as long as it is bound.

use kernel::{
    debugfs::{
        Dir,
        File,
        Writer, //
    },
    device,
    fmt,
    prelude::*,
    str::CString, //
};

use crate::{
    hwif::Features,
    netdev::Handle, //
};

/// `capabilities`: the capability registers, decoded.
struct Capabilities(Features);

impl Writer for Capabilities {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For people: names and values, a line each.
        writeln!(f, "{:#?}", self.0)
    }
}

/// `rings`: where driver and DMA are in each ring, and the descriptors around the DMA.
struct Rings(Handle);

impl Writer for Rings {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .with(|_, port, _| port.print_rings(f))
            .unwrap_or(Ok(()))
    }
}

/// The files; gone when dropped.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    rings: File<Rings>,
    #[pin]
    capabilities: File<Capabilities>,
    _dir: Dir,
}

/// Makes the files of `dev`, whose core has `features` and whose port `handle` leads to.
pub(crate) fn files(
    dev: &device::Device,
    features: &Features,
    handle: Handle,
) -> Result<impl PinInit<Files, Error>> {
    let name = CString::try_from_fmt(fmt!("{}-{}", crate::NAME, dev.name()))?;
    let dir = Dir::new(&name);
    let features = *features;

    Ok(try_pin_init!(Files {
        rings <- dir.read_only_file(c"rings", Ok::<_, Error>(Rings(handle))),
        capabilities <- dir.read_only_file(c"capabilities", Ok::<_, Error>(Capabilities(features))),
        _dir: dir.clone(),
    }))
}
