# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Static checks. Each check is a function; it passes if it returns 0.

UNSAFE_LIMIT=9
rust_additions() { find "$LAB_SRC_IN/rust" -name '*.rs' 2>/dev/null | sort; }

# Driver source without comments and strings, for counting.
driver_code() { driver_sources | xargs -rd '\n' sed -E 's#//.*##; s#"([^"\\]|\\.)*"#""#g'; }

lint_rustfmt() {
	local f out bad=0
	while read -r f; do
		# Through stdin rustfmt does not follow `mod` items, but says with its
		# output only that there is a difference.
		out=$(rustfmt --check --color never --edition 2021 --config-path "$LINUX/.rustfmt.toml" < "$f" 2>&1) || true
		if [ -n "$out" ]; then
			say "rustfmt: ${f#"$LAB_SRC_IN"/}" "$out"
			bad=$((bad + 1))
		fi
	done < <(driver_sources; rust_additions)
	(cd /src/model && cargo fmt --check -- --color never) || bad=$((bad + 1))
	[ "$bad" = 0 ] || die "$bad files are not formatted"
}

# The kernel is always built with clippy; what it said is judged here. A build
# that was interrupted may not have kept it: then it is made again.
lint_clippy() {
	local b=$LINUX/$BUILD n
	[ "$b/.lab-clippy-kernel" -nt "$b/rust/kernel.o" ] || rm -f "$b/rust/kernel.o" "$b/rust/libkernel.rmeta"
	[ "$b/.lab-clippy-driver" -nt "$b/$DRIVER_PATH/rust_stmmac.o" ] || rm -f "$b/$DRIVER_PATH/rust_stmmac.o"
	kmake_watched prepare
	kmake_watched "$DRIVER_PATH/rust_stmmac.ko"
	# A build may have made both; what it said of the driver then is not what the driver is now.
	{
		awk -v RS= -v ORS='\n\n' -v driver="$DRIVER_PATH/" '!index($0, "--> ../" driver)' "$b/.lab-clippy-kernel"
		cat "$b/.lab-clippy-driver"
	} > "$LAB_LOG/clippy.out"
	# Only what this repository brings; the rest is upstream's.
	n=$(ours_in "$LAB_LOG/clippy.out")
	[ "$n" = 0 ] || {
		grep -B6 -A12 -Ff "$LAB_LOG/ours" "$LAB_LOG/clippy.out" | head -n 100
		die "clippy and compiler: $n warnings"
	}
}

# Warnings whose place is in one of our files.
ours_in() {
	local list=$LAB_LOG/ours
	{ rust_additions | sed "s#^$LAB_SRC_IN/##"; say rust/helpers/net/; say "$DRIVER_PATH/"; driver_sources; } > "$list"
	# rustc's and clippy's form, then that of the C compiler for the helpers.
	grep -E '^ *--> |(^|/)rust/helpers/net/.*: warning: ' "$1" | grep -cFf "$list" || true
}

lint_clippy_model() {
	model_cargo clippy --release --locked --all-targets -- -D warnings
}

lint_rustdoc() {
	local out=$LAB_LOG/rustdoc.out n
	stamped "$LAB_LOG/rustdoc.ok" "$(overlay_id)" && return
	kmake rustdoc 2>&1 | tee "$out"
	n=$(ours_in "$out")
	[ "$n" = 0 ] || die "rustdoc: $n warnings"
	stamp "$LAB_LOG/rustdoc.ok" "$(overlay_id)"
}

lint_rustdoc_model() {
	RUSTDOCFLAGS="-D warnings" model_cargo doc --release --locked --no-deps
}

lint_checkpatch() {
	local files=() p bad=0
	mapfile -t files < <(
		driver_sources
		find "$LAB_SRC_IN/rust" -type f \( -name '*.rs' -o -name '*.c' -o -name '*.h' \) 2>/dev/null | sort
		say "$LAB_SRC_IN/Kconfig"
	)
	cd "$LINUX"
	perl scripts/checkpatch.pl --strict --no-summary --terse --show-types --ignore FILE_PATH_CHANGES,SPDX_LICENSE_TAG_MISPLACED -f "${files[@]}" || bad=1
	for p in "$LAB_SRC_IN"/patches/*.patch; do
		[ -e "$p" ] || continue
		perl scripts/checkpatch.pl --strict --no-summary --terse --show-types --ignore FILE_PATH_CHANGES --no-signoff "$p" || bad=1
	done
	[ "$bad" = 0 ] || die "checkpatch --strict has remarks"
}

lint_shellcheck() {
	cd "$LAB_SRC_IN"
	shellcheck -x -S warning -e SC2034,SC2054,SC2154,SC2164 lab/lab lab/inside lab/*.sh lab/guest/init lab/guest/run lab/guest/scene lab/guest/lib.sh lab/guest/kunit lab/guest/selftests lab/guest/kselftest lab/guest/combined/ethtool .ci/run
}

lint_unsafe() {
	local n
	n=$(driver_code | grep -owE unsafe | grep -c . || true)
	say "unsafe in the driver: $n (limit $UNSAFE_LIMIT)"
	driver_sources | xargs -rd '\n' grep -nw unsafe | grep -vE '^[^:]+:[0-9]+:\s*//' || true
	[ "$n" -le "$UNSAFE_LIMIT" ] || die "$n uses of unsafe in the driver, the limit is $UNSAFE_LIMIT"
}

lint_bindings() {
	local n
	n=$(driver_code | grep -oE '\bbindings::' | grep -c . || true)
	say "bindings:: in the driver: $n (limit 0)"
	[ "$n" = 0 ] || die "$n uses of bindings:: in the driver"
}

# What the driver shows and prints is explained in the driver guide.
lint_guide() { python3 "$LAB/guide.py" "$LAB_SRC_IN"; }

# A kernel tree runs what run_all does, and installs all that belongs to it.
lint_selftests() {
	local bad=0
	cd "$LAB_SRC_IN/tests/selftests"
	diff <(makefile_list TEST_PROGS) <(python3 -B run_all --list | sed 's/$/.py/' | sort) || bad=1
	diff <(makefile_list 'TEST_[A-Z]*') <(find . -maxdepth 1 -type f ! -name Makefile ! -name README.md -printf '%P\n' | sort) || bad=1
	[ "$bad" = 0 ] || die "TEST_PROGS and TEST_FILES of tests/selftests/Makefile are not what is there"
}
makefile_list() { sed -nE "/^$1 :=/,/^#/s/^\t(.*) \\\\$/\1/p" Makefile | sort; }

# Panic entry points that the module refers to; each must be explained in
# lab/panic-symbols ("symbol  # why it cannot be avoided").
lint_panic() {
	local ko sym bad=0 n=0
	ko=$MODULES/lib/modules/$(kernel_release)/kernel/$DRIVER_PATH/rust_stmmac.ko
	[ -e "$ko" ] || die "no rust_stmmac.ko to look into"
	while read -r sym; do
		n=$((n + 1))
		say "panic symbol: $sym"
		grep -qF "$sym  #" "$LAB/panic-symbols" || { say "not explained in lab/panic-symbols: $sym"; bad=$((bad + 1)); }
	done < <(llvm-nm -u -C "$ko" | sed -E 's/^ *[Uw] //' |
		grep -E 'panic|unwrap_failed|expect_failed|slice_(start|end|index).*fail|len_mismatch_fail|alloc.*handle_alloc_error|assert_failed|rust_build_error' | sort -u)
	# Where they are called from.
	[ "$n" = 0 ] || llvm-objdump -d -r -C --no-show-raw-insn "$ko" |
		awk '/^[0-9a-f]+ </ { fn = $0; sub(/^[0-9a-f]+ </, "", fn) } /R_X86_64[A-Z0-9_]*[ \t]+core::.*(panic|_fail)/ { print "  " $NF " from " fn }' | sort | uniq -c
	say "panic symbols in the module: $n"
	[ "$bad" = 0 ] || die "$bad panic symbols without an explanation"
}

# clippy first: if it has to build, nothing else may use the tree.
LINT_CHECKS="clippy rustfmt shellcheck checkpatch unsafe bindings guide selftests panic clippy-model rustdoc-model"

# lint_one CHECK: runs it; its log and its status file tell the rest.
lint_one() {
	local log=$LAB_LOG/lint-$1.log status=0
	SECONDS=0
	# Not under `if`, or errexit would not hold inside.
	set +e
	( set -euo pipefail; "lint_${1//-/_}" ) > "$log" 2>&1 < /dev/null
	status=$?
	set -e
	say "$status $SECONDS" > "$log.status"
}

# lint_result CHECK: says and counts how it ended.
lint_result() {
	local log=$LAB_LOG/lint-$1.log status seconds line
	read -r status seconds < "$log.status"
	if [ "$status" = 0 ]; then
		lint_passed=$((lint_passed + 1))
		line=$(grep -hE '^(unsafe in|bindings:: in|panic symbols in)' "$log" || true)
		say "lint: $1 ok${line:+ - $line} ($seconds s)"
	else
		lint_failed=$((lint_failed + 1))
		say "lint: $1 FAILED: $(reason "$log"); log: $(shown "$log")"
		tail -n 20 "$log" | sed 's/^/  | /'
	fi
}

# lint_all: runs every check, even after a failed one; sets lint_passed/failed.
lint_all() {
	local c doc=
	lint_passed=0 lint_failed=0
	mkdir -p "$LAB_LOG"
	rm -f "$LAB_LOG"/lint-*.status
	for c in $LINT_CHECKS; do
		lint_one "$c"
		lint_result "$c"
		# The longest one, on one CPU, beside the others.
		[ -n "$doc" ] || { lint_one rustdoc & doc=$!; }
	done
	wait "$doc" || true
	lint_result rustdoc
}

lint_command() {
	make_module
	take_lock
	lint_all
	drop_lock
	say "lint: $lint_passed passed, $lint_failed failed"
	[ "$lint_failed" = 0 ]
}
