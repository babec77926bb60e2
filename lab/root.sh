# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The pinned toolchain root, made and entered on the host.

LAB_ROOT=$LAB_CACHE/root

# The mirror: MIRROR=, else the first Debian archive of the host's own apt
# configuration, else debootstrap's default.
find_mirror() {
	local uri
	if [ -n "${MIRROR:-}" ]; then
		say "$MIRROR"
		return
	fi
	uri=$(
		for f in /etc/apt/sources.list.d/*.sources; do
			[ -r "$f" ] && sed -n 's/^URIs:[[:space:]]*//p' "$f"
		done
		for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
			[ -r "$f" ] && sed -nE 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' "$f"
		done
		true
	)
	printf '%s\n' "$uri" | tr ' \t' '\n\n' | grep -m1 -E '/debian/?$' || true
}

# How this user may become root in a namespace of his own.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		unshare --mount --propagation private "$@"
	else
		unshare --user --map-root-user --map-auto --mount --propagation private "$@"
	fi
}

check_namespace() {
	local err
	err=$(as_root true 2>&1) && return
	if [ "$(id -u)" = 0 ]; then
		die "cannot make a mount namespace (${err##*$'\n'}); run the lab where CAP_SYS_ADMIN is available"
	fi
	die "cannot make a user namespace (${err##*$'\n'}); install uidmap and give $(id -un) a range in /etc/subuid and /etc/subgid, or run as root"
}

# debootstrap: the host's, else installed, else unpacked into the cache.
find_debootstrap() {
	local tools=$LAB_CACHE/tools
	DEBOOTSTRAP=$(PATH=$PATH:/usr/sbin:/sbin command -v debootstrap || true)
	[ ! -x "$DEBOOTSTRAP" ] || return 0
	if [ ! -x "$tools/usr/sbin/debootstrap" ]; then
		command -v apt-get > /dev/null ||
			die "debootstrap is missing and this host has no apt-get to install it; install debootstrap"
		if [ "$(id -u)" = 0 ]; then
			say "lab: installing debootstrap on this host" >&2
			mkdir -p "$LAB_LOG"
			if { apt-get -q update || true; DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install debootstrap; } > "$LAB_LOG/debootstrap.log" 2>&1; then
				DEBOOTSTRAP=$(PATH=$PATH:/usr/sbin:/sbin command -v debootstrap)
				return
			fi
			die "cannot install debootstrap: $(reason "$LAB_LOG/debootstrap.log"); log: $LAB_LOG/debootstrap.log"
		fi
		say "lab: debootstrap is missing, unpacking one into $LAB_CACHE_SHOWN/tools" >&2
		rm -rf "$tools.tmp" && mkdir -p "$tools.tmp" "$LAB_LOG"
		(
			cd "$tools.tmp"
			apt-get download debootstrap debian-archive-keyring
			for deb in *.deb; do dpkg -x "$deb" .; done
		) > "$LAB_LOG/debootstrap.log" 2>&1 ||
			die "cannot fetch debootstrap: $(reason "$LAB_LOG/debootstrap.log"); install debootstrap; log: $LAB_LOG/debootstrap.log"
		rm -rf "$tools" && mv "$tools.tmp" "$tools"
	fi
	DEBOOTSTRAP=$tools/usr/sbin/debootstrap
	export DEBOOTSTRAP_DIR=$tools/usr/share/debootstrap
	DEBOOTSTRAP_KEYRING=$tools/usr/share/keyrings/debian-archive-keyring.gpg
}

# Runs inside as_root: device nodes are bound in, since a user namespace cannot
# make them; debootstrap leaves nodes that exist alone.
root_base_inner() {
	local root=$LAB_ROOT.tmp dev script
	rm -rf "$root"
	mkdir -p "$root/dev"
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	mkdir "$root/dev/pts" "$root/dev/shm"
	for dev in null zero full random urandom tty; do
		: > "$root/dev/$dev"
		mount --bind "/dev/$dev" "$root/dev/$dev"
	done
	: > "$root/dev/console"
	ln -s pts/ptmx "$root/dev/ptmx"
	script=${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}/scripts
	[ -e "$script/$SUITE" ] && script=$script/$SUITE || script=$script/sid
	# container=lxc: do not try to make device nodes.
	container=lxc "$DEBOOTSTRAP" --variant=minbase --include=ca-certificates \
		${DEBOOTSTRAP_KEYRING:+--keyring="$DEBOOTSTRAP_KEYRING"} \
		"$SUITE" "$root" "${LAB_MIRROR:-}" "$script"
	umount -R "$root/dev"
	stamp "$root/.lab-base" "$LAB_STAMP"
}

root_base() {
	export LAB_MIRROR DEBOOTSTRAP DEBOOTSTRAP_KEYRING LAB_STAMP
	local tmp=$LAB_ROOT.tmp
	as_root bash "$LAB/root.sh" root_base_inner || {
		[ ! -f "$tmp/debootstrap/debootstrap.log" ] || cat "$tmp/debootstrap/debootstrap.log"
		return 1
	}
	remove_root "$LAB_ROOT"
	mv "$tmp" "$LAB_ROOT"
}

# Files in a root belong to other ids of the namespace.
remove_root() {
	[ ! -e "$1" ] || as_root rm -rf --one-file-system "$1"
}

root_packages() {
	local mirror=$LAB_MIRROR suite
	# Without one, debootstrap has chosen.
	[ -n "$mirror" ] || mirror=$(enter awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
	{
		for suite in "$SUITE" "$SUITE-updates" "$BACKPORTS"; do
			say "deb $mirror $suite main"
		done
	} > "$LAB_CACHE/sources.list"
	enter sh -c 'cp /cache/sources.list /etc/apt/sources.list'
	# The host's proxy for apt, if it has one.
	if command -v apt-config > /dev/null; then
		apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy ' > "$LAB_CACHE/apt-proxy" || true
		[ ! -s "$LAB_CACHE/apt-proxy" ] || enter cp /cache/apt-proxy /etc/apt/apt.conf.d/99proxy
	fi
	local apt="apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 --no-install-recommends"
	enter dpkg --configure -a
	enter $apt update
	# shellcheck disable=SC2086
	enter $apt install $ROOT_PACKAGES
	# shellcheck disable=SC2086
	enter $apt -t "$BACKPORTS" install $ROOT_BACKPORTS
	enter apt-get clean
	check_version "rustc" "$RUSTC_VERSION" "$(enter rustc --version)"
	check_version "clang" "$LLVM_VERSION" "$(enter clang --version)"
	check_version "ld.lld" "$LLVM_VERSION" "$(enter ld.lld --version)"
	check_version "rustc's LLVM" "$LLVM_VERSION" "$(enter rustc -vV | grep LLVM)"
	check_version "bindgen" "$BINDGEN_VERSION" "$(enter bindgen --version)"
	check_version "qemu" "$QEMU_VERSION" "$(enter qemu-system-x86_64 --version)"
	check_version "$LINUX_SOURCE" "$LINUX_VERSION" "$(enter dpkg-query -W "$LINUX_SOURCE")"
	stamp "$LAB_CACHE/root.stamp" "$LAB_STAMP"
}

check_version() {
	local found
	found=$(printf '%s' "$3" | grep -m1 -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)
	case $found in
	"$2"*) say "$1 $found" ;;
	*) die "wrong $1: $2 is pinned in lab/pins, the root has ${found:-none}; check the mirror or the pins" ;;
	esac
}

host_ca() {
	local f
	for f in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
		[ -n "$f" ] && [ -s "$f" ] && { say "$f"; return; }
	done
	true
}

# enter COMMAND...: runs it in the root; the repository is /src, the cache
# /cache, so that nothing built there depends on where they are on the host.
enter() {
	LAB_CA=$(host_ca) LAB_ENV=$(enter_env) as_root bash -c '
		set -e
		root=$1 src=$2 cache=$3
		shift 3
		mkdir -p "$root/src" "$root/cache"
		mount --bind "$src" "$root/src"
		mount --bind "$cache" "$root/cache"
		for d in dev proc sys; do mount --rbind "/$d" "$root/$d"; done
		mount -t tmpfs tmpfs "$root/tmp"
		for f in resolv.conf hosts; do
			[ ! -e "/etc/$f" ] || { [ -e "$root/etc/$f" ] || : > "$root/etc/$f"; mount --bind "$(readlink -f "/etc/$f")" "$root/etc/$f"; }
		done
		if [ -n "$LAB_CA" ]; then
			ca=$root/etc/ssl/certs/ca-certificates.crt
			if [ -e "$ca" ]; then mount --bind "$LAB_CA" "$ca"; fi
		fi
		eval "env=($LAB_ENV)"
		exec chroot "$root" /usr/bin/env -i "${env[@]}" "$@"
	' enter "$LAB_ROOT" "$LAB_SRC" "$LAB_CACHE" "$@"
}

# Only these variables go inside; a build must not depend on others.
enter_env() {
	local v
	printf '%q ' PATH=/usr/lib/llvm-$LLVM/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		LIBCLANG_PATH=/usr/lib/llvm-$LLVM/lib SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
		GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=/src \
		CARGO_HOME=/cache/cargo LAB=/src/lab LAB_CACHE=/cache LAB_CACHE_SHOWN="$LAB_CACHE" \
		LAB_STEP="$LAB_STEP" LAB_STEPS="$LAB_STEPS" LAB_MIRROR="${LAB_MIRROR:-}" TERM="${TERM:-dumb}"
	for v in CI KERNEL DRIVER JOBS V LOOPS_BIND LOOPS_UPDOWN LOOPS_CHANGE LOOPS_SUSPEND http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
		[ -z "${!v:-}" ] || printf '%q ' "$v=${!v}"
	done
}

make_root() {
	local base_stamp packages_stamp
	mkdir -p "$LAB_CACHE" 2>/dev/null || die "cannot write $LAB_CACHE; set RUST_STMMAC_CACHE to a writable directory"
	check_namespace
	LAB_MIRROR=$(find_mirror)
	base_stamp=$(printf '%s\n' "$SUITE" | hash_of)
	packages_stamp=$(printf "%s\n" "$SUITE" "$BACKPORTS" "$LINUX_VERSION" "$QEMU_VERSION" "$RUSTC_VERSION" "$LLVM_VERSION" "$BINDGEN_VERSION" "$ROOT_PACKAGES" "$ROOT_BACKPORTS" | hash_of)
	if stamped "$LAB_ROOT/.lab-base" "$base_stamp" && stamped "$LAB_CACHE/root.stamp" "$packages_stamp"; then
		done_step root
		return
	fi
	take_lock
	if ! stamped "$LAB_ROOT/.lab-base" "$base_stamp"; then
		need_space 12 "the lab"
		find_debootstrap
		LAB_STEPS=$((LAB_STEPS + 1))
		LAB_STAMP=$base_stamp step root root_base
	fi
	LAB_STAMP=$packages_stamp step toolchain root_packages
	drop_lock
}

# Called again by root_base as root of the namespace.
if [ "${1:-}" = root_base_inner ] && [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -euo pipefail
	. "$LAB/pins"
	. "$LAB/common.sh"
	LAB_ROOT=$LAB_CACHE/root
	root_base_inner
fi
