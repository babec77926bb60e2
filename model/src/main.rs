// SPDX-License-Identifier: GPL-2.0

//! The device model's program.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use dwmac_model::cli::{run, Cli};
use nix::sys::signal::{SigSet, Signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(
            EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| EnvFilter::new("dwmac_model=info,vfio_user=warn")),
        )
        .init();
    // Before any thread exists: only the main thread waits for these.
    let mut set = SigSet::empty();
    set.add(Signal::SIGINT);
    set.add(Signal::SIGTERM);
    if let Err(e) = set.thread_block() {
        eprintln!("dwmac-model: cannot block signals: {e}");
        return ExitCode::FAILURE;
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("dwmac-model: {e}");
            ExitCode::FAILURE
        }
    }
}
