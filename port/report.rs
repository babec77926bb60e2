// SPDX-License-Identifier: GPL-2.0

//! What a port tells of its channels, for who has to find out why one failed.

use kernel::{
    fmt,
    io::Io,
    net::devlink::Object,
    prelude::*, //
};

use super::{
    index_u32,
    recovery::in_use,
    Port, //
};
use crate::{
    health::Reporter,
    hwif::ChannelIrqs,
    napi::Channel,
    recovery::Faults,
    ring::{
        self,
        View, //
    }, //
};

impl<'a> Port<'a> {
    /// Shows the channels that have `faults`, or all if none has, as far as `reporter` is about
    /// them: registers and rings.
    pub(crate) fn dump(&self, reporter: Reporter, faults: Option<Faults>, out: &mut Object<'_>) {
        if let Some(faults) = faults {
            out.text(c"fault", fmt!("{}", faults));
        }
        let control = self.control.lock();
        let running = control.irqs.is_some();
        out.pair(c"running", running);
        if !running {
            return;
        }
        out.array(c"channels", |channels| {
            for channel in self.channels.iter() {
                let ch = channel.index;
                let shown = in_use(&control.settings, ch).and(reporter.directions());
                let concerned =
                    faults.is_none_or(|faults| faults.has_core() || !faults.of(ch).is_empty());
                if concerned && !shown.is_empty() {
                    channels.object(|out| self.dump_channel(channel, shown, out));
                }
            }
        });
    }

    fn dump_channel(&self, channel: &Channel<'a>, shown: ChannelIrqs, out: &mut Object<'_>) {
        let (hw, io, ch) = (&self.hw, self.hw.io(), channel.index);
        out.pair(c"channel", index_u32(ch));
        out.object(c"registers", |out| {
            (hw.hwif.dump.channel)(ch, &mut |name, offset| {
                let value = io.try_read32(offset).unwrap_or(0);
                out.text(name, fmt!("{:#010x}", value));
            });
        });

        let (tx, rx) = self.views(channel);
        if let Some(view) = tx.filter(|_| shown.tx) {
            out.object(c"tx_ring", |out| show(&view, out));
        }
        if let Some(view) = rx.filter(|_| shown.rx) {
            out.object(c"rx_ring", |out| show(&view, out));
        }
    }

    /// Takes a look at the rings of `channel`; the port must be running.
    fn views(&self, channel: &Channel<'a>) -> (Option<View>, Option<View>) {
        let (tx_dma, rx_dma) = self.hw.hwif.dma.position(self.hw.io(), channel.index);
        let head = self
            .with_tx_side(channel, |side| side.ring.as_ref().map(|ring| ring.next()))
            .flatten();
        // The poll owns the rings: it has to pause for a moment.
        channel.napi.with_paused(|poller, _| {
            let tx = poller.clean.as_ref().map(|ring| {
                let head = head.unwrap_or(0);
                let tail = ring.next().unwrap_or(head);
                View::new(&ring.setup(), tx_dma, head, tail, |i| ring.descriptor(i))
            });
            let rx = poller.rx.as_ref().map(|ring| {
                let setup = ring.setup();
                // CAST: Truncates, as intended.
                let head = ring::index_of(&setup, setup.tail as u32).unwrap_or(0);
                View::new(&setup, rx_dma, head, ring.next(), |i| ring.descriptor(i))
            });
            (tx, rx)
        })
    }

    /// Prints the rings in use; nothing if the port is not running.
    pub(crate) fn print_rings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = self.control.lock();
        if control.irqs.is_none() {
            return Ok(());
        }
        for channel in self.channels.iter() {
            let used = in_use(&control.settings, channel.index);
            if used.is_empty() {
                continue;
            }
            let (tx, rx) = self.views(channel);
            if let Some(view) = tx.filter(|_| used.tx) {
                f.write_fmt(fmt!("tx {}: {}\n", channel.index, view))?;
            }
            if let Some(view) = rx.filter(|_| used.rx) {
                f.write_fmt(fmt!("rx {}: {}\n", channel.index, view))?;
            }
        }
        Ok(())
    }

    /// Shows what the hardware does at present, as far as `reporter` is about it; changes nothing.
    pub(crate) fn diagnose(&self, reporter: Reporter, out: &mut Object<'_>) {
        let (hw, io) = (&self.hw, self.hw.io());
        let control = self.control.lock();
        let running = control.irqs.is_some();
        out.pair(c"running", running);
        if reporter == Reporter::Hw {
            out.text(c"core", fmt!("{}", hw.spec));
            out.pair(c"failed_resets", control.history.failures());
        }
        if !running {
            return;
        }
        out.array(c"channels", |channels| {
            for channel in self.channels.iter() {
                let ch = channel.index;
                let shown = in_use(&control.settings, ch).and(reporter.directions());
                if shown.is_empty() {
                    continue;
                }
                let (tx, rx) = hw.hwif.dma.activity(io, ch);
                let (tx_dma, rx_dma) = hw.hwif.dma.position(io, ch);
                channels.object(|out| {
                    out.pair(c"channel", index_u32(ch));
                    if shown.tx {
                        let queue = self.dev.tx_queue(index_u32(ch));
                        out.pair(c"tx_dma", tx);
                        out.text(c"tx_descriptor", fmt!("{:#010x}", tx_dma));
                        out.pair(
                            c"tx_queue_stopped",
                            queue.is_some_and(|queue| queue.is_stopped()),
                        );
                    }
                    if shown.rx {
                        out.pair(c"rx_dma", rx);
                        out.text(c"rx_descriptor", fmt!("{:#010x}", rx_dma));
                        out.pair(c"rx_frames_waiting", hw.hwif.mtl.rx_waiting(io, ch));
                    }
                });
            }
        });
    }
}

fn show(view: &View, out: &mut Object<'_>) {
    out.pair(c"length", view.len);
    out.pair(c"head", view.head);
    out.pair(c"tail", view.tail);
    if let Some(dma) = view.dma {
        out.pair(c"dma", dma);
    }
    out.array(c"descriptors", |list| {
        for (index, [des0, des1, des2, des3]) in view.descriptors() {
            list.text(fmt!(
                "{}: {:08x} {:08x} {:08x} {:08x}",
                index,
                des0,
                des1,
                des2,
                des3
            ));
        }
    });
}
