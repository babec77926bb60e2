# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The guest's userland: a minimal Debian as a squashfs. What changes often
# (modules, tests, the script that runs commands) comes over 9p instead.

# use_image guest|kselftest: which userland guests boot from here on. The second
# is the first with the kernel's own tests and what they need.
use_image() {
	IMAGE_NAME=$1-image
	IMAGE=$LAB_CACHE/$1.squashfs
	IMAGE_PACKAGES=$GUEST_PACKAGES
	IMAGE_TESTS=
	if [ "$1" = kselftest ]; then
		IMAGE_PACKAGES+=$KSELFTEST_PACKAGES
		IMAGE_TESTS=$LAB_CACHE/kselftest
	fi
}
use_image guest

image_id() {
	{
		say "$SUITE" "$IMAGE_PACKAGES"
		cat "$LAB/guest/init"
		[ -z "$IMAGE_TESTS" ] || cat "$IMAGE_TESTS/.stamp"
	} | hash_of
}

build_image() {
	local root=$LAB_CACHE/image.tmp dev packages
	need_space 2 "the guest image"
	umount -R "$root/dev" 2>/dev/null || true
	rm -rf --one-file-system "$root"
	mkdir -p "$root/dev"
	# As for the toolchain root: bound device nodes suit a user namespace.
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	mkdir "$root/dev/pts" "$root/dev/shm"
	for dev in null zero full random urandom tty; do
		: > "$root/dev/$dev"
		mount --bind "/dev/$dev" "$root/dev/$dev"
	done
	: > "$root/dev/console"
	ln -s pts/ptmx "$root/dev/ptmx"
	# shellcheck disable=SC2086
	packages=$(echo $IMAGE_PACKAGES | tr ' ' ',')
	container=lxc debootstrap --variant=minbase --include="$packages" "$SUITE" "$root" \
		"$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)" || {
		cat "$root/debootstrap/debootstrap.log" || true
		return 1
	}
	umount -R "$root/dev"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
		"$root"/usr/share/{doc,man,locale,info} "$root/etc/resolv.conf"
	install -m 755 "$LAB/guest/init" "$root/sbin/lab-init"
	mkdir -p "$root/src" "$root/run/lab" "$root/lib/modules" "$root/mnt/upper"
	printf 'guest\n' > "$root/etc/hostname"
	printf '127.0.0.1 localhost guest\n::1 localhost\n' > "$root/etc/hosts"
	[ -z "$IMAGE_TESTS" ] || cp -r "$IMAGE_TESTS/install" "$root/opt/kselftest"
	rm -f "$IMAGE.tmp"
	mksquashfs "$root" "$IMAGE.tmp" -comp zstd -Xcompression-level 6 -quiet -no-progress -one-file-system
	mv "$IMAGE.tmp" "$IMAGE"
	stamp "$IMAGE.stamp" "$(image_id)"
	rm -rf --one-file-system "$root"
}

make_image() {
	if [ -e "$IMAGE" ] && stamped "$IMAGE.stamp" "$(image_id)"; then
		done_step "$IMAGE_NAME"
		return
	fi
	take_lock image.lock
	step "$IMAGE_NAME" build_image
	drop_lock
}
