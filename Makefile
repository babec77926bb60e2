# SPDX-License-Identifier: GPL-2.0
# Kbuild reads this file as the in-tree Makefile; by hand it drives the lab.
ifneq ($(KERNELRELEASE)$(obj),)

obj-$(CONFIG_RUST_STMMAC) += rust_stmmac.o

else

DRIVER ?= rust
export KERNEL DRIVER

.PHONY: help run test test-long kselftest shell kernel module lint clean
help:
	@echo 'make run      two GMAC5 ports wired together in a guest: link, ping, iperf3, a shell (DRIVER=c: the C driver)'
	@echo 'make test     what CI runs: lint, model tests, KUnit, selftests with both drivers, the debug kernel (KERNEL=release or'
	@echo '              KERNEL=debug: every selftest on that kernel)'
	@echo 'make test-long  every selftest on both kernels, make kselftest, 500 times bound, 1000 times down and up, 1000 changes,'
	@echo '              100 sleeps and every allocation failed once, for hours (LOOPS_BIND=N LOOPS_UPDOWN=N LOOPS_CHANGE=N'
	@echo '              LOOPS_SUSPEND=N; in parts: lab/lab help)'
	@echo "make kselftest  the kernel's own driver tests, our driver beside the C driver (lab/lab kselftest net/ping.py: one)"
	@echo 'make shell    a shell in a guest with two ports, no driver loaded'
	@echo 'make kernel   the toolchain root, the kernel tree with overlay, kernel and modules (KERNEL=release|debug)'
	@echo 'make module   rust_stmmac.ko alone (and the kernel crate, where rust/ or patches/ changed)'
	@echo 'make lint     rustfmt, clippy, checkpatch, rustdoc, counts of unsafe, bindings:: and panic symbols'
	@echo 'make clean    removes kernel tree and builds, guest image, model build; keeps the toolchain root'
	@echo
	@echo 'RUST_STMMAC_CACHE=DIR keeps all of it elsewhere than ~/.cache/rust_stmmac, MIRROR=URL names a Debian mirror,'
	@echo 'JOBS=N limits parallel jobs; lab/lab help has more commands.'

run test test-long kselftest kernel module lint clean:
	@lab/lab $@

shell:
	@lab/lab guest

endif
