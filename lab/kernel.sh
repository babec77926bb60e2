# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel: pristine source + overlay, configuration, builds.

LINUX=$LAB_CACHE/linux
PRISTINE=$LAB_CACHE/pristine
DRIVER_PATH=drivers/net/ethernet/stmicro/rust_stmmac
SOURCE_TAR=/usr/src/$LINUX_SOURCE.tar.xz

# use_kernel release|debug: which kernel is built and booted from here on.
use_kernel() {
	KERNEL=$1
	BUILD=build-$1
	MODULES=$LAB_CACHE/modules/$1
}
use_kernel "$KERNEL"

# The release kernel always with clippy: one build serves guests and lint.
kmake() {
	local clippy=0
	[ "$KERNEL" != release ] || clippy=1
	make -C "$LINUX" LLVM=1 CLIPPY=$clippy O="$BUILD" -j"$JOBS" "$@"
}

source_id() { dpkg-query -W "$LINUX_SOURCE"; }

make_source() {
	if stamped "$LINUX/.lab-source" "$(source_id)"; then
		done_step source
		return
	fi
	step source unpack_source
}

unpack_source() {
	need_space 8 "a kernel tree"
	rm -rf "$LINUX.tmp" "$PRISTINE"
	mkdir -p "$LINUX.tmp"
	tar -C "$LINUX.tmp" --strip-components=1 -xf "$SOURCE_TAR"
	stamp "$LINUX.tmp/.lab-source" "$(source_id)"
	rm -rf "$LINUX"
	mv "$LINUX.tmp" "$LINUX"
}

# Files under $1 as paths below it.
files_in() { [ ! -d "$1" ] || (cd "$1" && find . -type f -printf '%P\n' | sort); }

# put FILE PATH: installs FILE in the tree if it differs; an equal file keeps
# its time, so that nothing is rebuilt for it.
put() {
	cmp -s "$1" "$LINUX/$2" && return
	say "overlay: $2"
	mkdir -p "$(dirname "$LINUX/$2")"
	cp --no-preserve=mode,timestamps "$1" "$LINUX/$2.lab-tmp"
	[ ! -e "$LINUX/$2" ] || chmod --reference="$LINUX/$2" "$LINUX/$2.lab-tmp"
	mv "$LINUX/$2.lab-tmp" "$LINUX/$2"
}

overlay_id() {
	(
		cd "$LAB_SRC_IN"
		for d in rust patches; do
			[ ! -d $d ] || find $d -type f -print0 | sort -z | xargs -0r sha256sum
		done
	) | hash_of
}
LAB_SRC_IN=/src

# Existing files that the patches touch, as paths in the tree.
patched_files() {
	find "$LAB_SRC_IN/patches" -name '*.patch' -exec cat {} + |
		sed -nE 's#^--- a/([^[:space:]]+).*#\1#p' | sort -u
}

fetch_pristine() {
	local missing=() f
	while read -r f; do
		[ -e "$PRISTINE/$f" ] || missing+=("$f")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	mkdir -p "$PRISTINE.tmp"
	tar -C "$PRISTINE.tmp" --strip-components=1 -xf "$SOURCE_TAR" \
		"${missing[@]/#/$LINUX_SOURCE/}" 2> "$PRISTINE.err" || {
		f=$(sed -nE "s#^tar: $LINUX_SOURCE/(.*): Not found in archive#\1#p" "$PRISTINE.err" | head -n 1)
		f=${f:-$(head -n 1 "$PRISTINE.err")}
		die "patches/$(cd "$LAB_SRC_IN/patches" && grep -lF "a/$f" -- *.patch | head -n 1) changes a file that Linux ${LINUX_VERSION%.} does not have: $f"
	}
	(cd "$PRISTINE.tmp" && for f in "${missing[@]}"; do mkdir -p "$PRISTINE/$(dirname "$f")" && mv "$f" "$PRISTINE/$f"; done)
	rm -rf "$PRISTINE.tmp" "$PRISTINE.err"
}

overlay() {
	local work new=$LAB_CACHE/overlay.new list=$LINUX/.lab-overlay p f out
	work=$(mktemp -d)
	: > "$new"
	# The driver's own folder, at its in-tree place.
	[ "$(readlink "$LINUX/$DRIVER_PATH" || true)" = "$LAB_SRC_IN" ] ||
		ln -sfn "$LAB_SRC_IN" "$LINUX/$DRIVER_PATH"
	# Changes to existing files, always made from their pristine form.
	patched_files | fetch_pristine
	patched_files | while read -r f; do
		mkdir -p "$work/$(dirname "$f")"
		cp "$PRISTINE/$f" "$work/$f"
	done
	for p in "$LAB_SRC_IN"/patches/*.patch; do
		[ -e "$p" ] || continue
		out=$(patch -d "$work" -p1 --no-backup-if-mismatch --force --fuzz=0 -i "$p" 2>&1) || {
			say "$out"
			f=$(printf '%s\n' "$out" | awk '/^(patching|checking) file/ { f = $3 } /FAILED|malformed|No file to patch/ { print f; exit }')
			die "patches/${p##*/} does not apply to ${f:-the tree} of Linux ${LINUX_VERSION%.}; rebase the patch on $LINUX_SOURCE"
		}
	done
	while read -r f; do
		say "$f" >> "$new"
		put "$work/$f" "$f"
	done < <(files_in "$work")
	# New files of the kernel crate.
	while read -r f; do
		case $f in *.rs | *.c | *.h) ;; *) continue ;; esac
		[ ! -e "$work/rust/$f" ] || die "rust/$f is also changed by a patch"
		say "rust/$f" >> "$new"
		put "$LAB_SRC_IN/rust/$f" "rust/$f"
	done < <(files_in "$LAB_SRC_IN/rust")
	# What an earlier overlay put there and this one does not.
	if [ -e "$list" ]; then
		sort "$new" | comm -13 - <(sort "$list") | while read -r f; do
			if [ -e "$PRISTINE/$f" ]; then
				put "$PRISTINE/$f" "$f"
			else
				say "overlay: $f removed"
				rm -f "$LINUX/$f"
			fi
		done
	fi
	mv "$new" "$list"
	rm -rf "$work"
}

fragments() {
	say "$LAB/kernel/base.config"
	[ "$KERNEL" = release ] || say "$LAB/kernel/$KERNEL.config"
}

# Of the patches only those count that change a Kconfig file.
config_id() {
	{
		source_id
		# shellcheck disable=SC2046
		cat $(fragments) "$LAB_SRC_IN/Kconfig"
		find "$LAB_SRC_IN/patches" -name '*.patch' -print0 | sort -z |
			xargs -0r grep -lZE '^\+\+\+ .*/Kconfig' | xargs -0r cat
	} | hash_of
}

configure() {
	local b=$LINUX/$BUILD
	[ "$KERNEL" = release ] || [ -e "$LAB/kernel/$KERNEL.config" ] || die "KERNEL=$KERNEL has no lab/kernel/$KERNEL.config"
	mkdir -p "$b"
	if ! stamped "$b/.lab-config" "$(config_id)"; then
		# As tinyconfig does it, but with our fragments in the same pass: each
		# pass tries the compiler some hundred times.
		KCONFIG_ALLCONFIG=kernel/configs/tiny-base.config kmake allnoconfig
		# The last of several lines for a symbol wins.
		# shellcheck disable=SC2046
		(cd "$LINUX" && cat kernel/configs/tiny.config arch/x86/configs/tiny.config $(fragments)) >> "$b/.config"
		kmake olddefconfig
		check_config "$b/.config"
		check_rust
		stamp "$b/.lab-config" "$(config_id)"
	fi
}

# rustavailable only warns about a wrong libclang; here a warning is an error.
check_rust() {
	local out status=0
	out=$(kmake rustavailable 2>&1) || status=$?
	say "$out"
	if [ "$status" != 0 ] || printf '%s\n' "$out" | grep -q '^\*\*\*'; then
		die "the kernel does not take this Rust toolchain: $(printf '%s\n' "$out" | sed -n 's/^\*\*\* \([^*].*[^*]\)$/\1/p' | head -n 1)"
	fi
}

# Every line of the fragments must have survived olddefconfig.
check_config() {
	local l missing=()
	while read -r l; do
		case $l in
		CONFIG_*=n) ! grep -q "^${l%=n}=" "$1" || missing+=("$l") ;;
		CONFIG_*=*) grep -qxF "$l" "$1" || missing+=("$l") ;;
		'# CONFIG_'*' is not set') l=${l#\# } && l=${l% is not set} && { ! grep -q "^$l=" "$1" || missing+=("$l=n"); } ;;
		esac
	done < <(for f in $(fragments); do cat "$f"; done | awk '
		# A later fragment overrides an earlier one.
		match($0, /CONFIG_[A-Za-z0-9_]+/) && (/^CONFIG_/ || /^# CONFIG_.* is not set$/) { last[substr($0, RSTART, RLENGTH)] = $0 }
		END { for (s in last) print last[s] }')
	[ ${#missing[@]} = 0 ] || die "the configuration does not take: ${missing[*]} (a dependency is missing; see lab/kernel/)"
}

# What vmlinux and the module symbols depend on, besides the driver.
kernel_id() { { config_id; overlay_id; } | hash_of; }

# The driver's own sources: the repository but for what is not the driver.
driver_sources() {
	find "$LAB_SRC_IN" -name '*.rs' \
		-not -path "$LAB_SRC_IN/rust/*" -not -path "$LAB_SRC_IN/model/*" -not -path "$LAB_SRC_IN/lab/*" \
		-not -path "$LAB_SRC_IN/bench/*" -not -path "$LAB_SRC_IN/tools/*" -not -path "$LAB_SRC_IN/patches/*" \
		-not -path "$LAB_SRC_IN/tests/selftests/*" -not -path '*/.*' | sort
}

module_id() { { kernel_id; driver_sources | xargs -r -d '\n' cat "$LAB_SRC_IN/Makefile"; } | hash_of; }

# kmake_watched TARGETS...: keeps what the compiler says of the kernel crate and
# of the driver, for lint: it says so only when it compiles them.
kmake_watched() {
	local out=$LINUX/$BUILD/.lab-out status=0
	kmake "$@" 2>&1 | tee "$out" || status=$?
	! grep -qE 'CLIPPY.* rust/kernel\.o$' "$out" || cp "$out" "$LINUX/$BUILD/.lab-clippy-kernel"
	! grep -qE 'CLIPPY.*/rust_stmmac\.o$' "$out" || cp "$out" "$LINUX/$BUILD/.lab-clippy-driver"
	return "$status"
}

# The driver's folder in the tree is the repository: what another clone has there
# may be older than what was made of the files before.
forget_other_driver() {
	stamped "$LINUX/$BUILD/.lab-module" "$MODULE_ID" || rm -f "$LINUX/$BUILD/$DRIVER_PATH/rust_stmmac.o"
}

build_kernel() {
	forget_other_driver
	kmake_watched bzImage modules
	install_modules
	stamp "$LINUX/$BUILD/.lab-kernel" "$KERNEL_ID"
	stamp "$LINUX/$BUILD/.lab-module" "$MODULE_ID"
}

install_modules() {
	rm -rf "$MODULES.tmp"
	kmake INSTALL_MOD_PATH="$MODULES.tmp" DEPMOD=true modules_install
	rm -f "$MODULES.tmp"/lib/modules/*/build
	depmod -b "$MODULES.tmp" "$(kernel_release)"
	rm -rf "$MODULES"
	mv "$MODULES.tmp" "$MODULES"
}

kernel_release() { cat "$LINUX/$BUILD/include/config/kernel.release"; }

build_module() {
	local ko=$DRIVER_PATH/rust_stmmac.ko to
	forget_other_driver
	kmake_watched "$ko"
	to=$MODULES/lib/modules/$(kernel_release)/kernel/$ko
	mkdir -p "$(dirname "$to")"
	cmp -s "$LINUX/$BUILD/$ko" "$to" || {
		cp "$LINUX/$BUILD/$ko" "$to.tmp"
		mv "$to.tmp" "$to"
		depmod -b "$MODULES" "$(kernel_release)"
	}
	stamp "$LINUX/$BUILD/.lab-module" "$MODULE_ID"
}

bzimage() { say "$LINUX/$BUILD/arch/x86/boot/bzImage"; }

make_tree() {
	make_source
	step overlay overlay_and_configure
}
overlay_and_configure() { overlay; configure; }

build_ids() {
	KERNEL_ID=$(kernel_id)
	MODULE_ID=$(module_id)
}

make_kernel() {
	take_lock
	make_tree
	build_ids
	step "kernel-$KERNEL" build_kernel
	drop_lock
}

# The kernel crate alone: a quick check of rust/.
make_rust() {
	take_lock
	make_tree
	step rust kmake_watched prepare
	drop_lock
}

# The driver alone, unless what it builds on has changed.
make_module() {
	local b=$LINUX/$BUILD
	build_ids
	if stamped "$LINUX/.lab-source" "$(source_id)" && stamped "$b/.lab-kernel" "$KERNEL_ID" && stamped "$b/.lab-module" "$MODULE_ID"; then
		done_step source
		done_step overlay
		done_step "module-$KERNEL"
		return
	fi
	take_lock
	make_tree
	if stamped "$b/.lab-kernel" "$KERNEL_ID"; then
		step "module-$KERNEL" build_module
	else
		step "kernel-$KERNEL" build_kernel
	fi
	drop_lock
}
