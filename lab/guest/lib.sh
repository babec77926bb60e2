# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shell functions for programs that run in the guest.

driver_modules() {
	case $1 in
	rust) echo rust_stmmac ;;
	c) echo stmmac-pci dwmac-intel ;;
	esac
}

load_driver() {
	local m
	for m in $(driver_modules "$1"); do
		modprobe "$m" || return
	done
}

unload_driver() {
	case $1 in
	rust) modprobe -qr rust_stmmac ;;
	c) modprobe -qr dwmac-intel stmmac-pci ;;
	esac
}

# Network interfaces of a driver, in the order of their PCI functions.
driver_netdevs() {
	local dev drv
	for dev in /sys/bus/pci/devices/*/net/*; do
		[ -e "$dev" ] || continue
		drv=$(basename "$(readlink "$dev/device/driver/module")")
		case $1:$drv in
		rust:rust_stmmac | c:stmmac_pci | c:dwmac_intel) basename "$dev" ;;
		esac
	done
}

# wait_carrier NETNS IF [SECONDS]
wait_carrier() {
	local i
	for ((i = 0; i < ${3:-20} * 10; i++)); do
		[ "$(ip netns exec "$1" cat "/sys/class/net/$2/carrier" 2>/dev/null)" != 1 ] || return 0
		sleep 0.1
	done
	echo "no link on $2 after ${3:-20} s" >&2
	return 1
}
