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

use crate::hwif::Features;

/// `capabilities`: the capability registers, decoded.
struct Capabilities(Features);

impl Writer for Capabilities {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // For people: names and values, a line each.
        writeln!(f, "{:#?}", self.0)
    }
}

/// The files; gone when dropped.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    capabilities: File<Capabilities>,
    _dir: Dir,
}

/// Makes the files of `dev`, whose core has `features`.
pub(crate) fn files(
    dev: &device::Device,
    features: &Features,
) -> Result<impl PinInit<Files, Error>> {
    let name = CString::try_from_fmt(fmt!("{}-{}", crate::NAME, dev.name()))?;
    let dir = Dir::new(&name);
    let features = *features;

    Ok(try_pin_init!(Files {
        capabilities <- dir.read_only_file(c"capabilities", Ok::<_, Error>(Capabilities(features))),
        _dir: dir.clone(),
    }))
}
