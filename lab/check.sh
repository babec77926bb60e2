# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make test: everything that CI runs, summed up. A part that does not run, or
# runs no test at all, counts as failed.

passed=0 failed=0 skipped=0

count() { passed=$((passed + $1)); failed=$((failed + $2)); skipped=$((skipped + $3)); }

# part NAME PASSED FAILED SKIPPED [STATUS]
part() {
	local note=
	if [ "$(($2 + $3 + $4))" = 0 ]; then
		note=" (no test ran)"
		set -- "$1" 0 1 0
	elif [ "${5:-0}" != 0 ] && [ "$3" = 0 ]; then
		note=" (ended with status $5)"
		set -- "$1" "$2" 1 "$4"
	fi
	count "$2" "$3" "$4"
	say "== $1: $2 passed, $3 failed, $4 skipped$note"
}

# Results in a KTAP log: the innermost lines, which have no subtest plan.
# Prints "passed failed skipped".
ktap_count() {
	awk '
		{ gsub(/\r/, ""); sub(/^\[ *[0-9.]+\] ?/, "") }
		match($0, /^[ ]*(ok|not ok) [0-9]+/) {
			depth = match($0, /[^ ]/) - 1
			# A result less deep than the one before closes a suite.
			if (depth < last) { last = depth; next }
			last = depth
			if ($0 ~ /# *SKIP/) s++; else if ($0 ~ /^ *ok/) p++; else f++
			next
		}
		/^[ ]*(KTAP version|TAP version)/ { }
		END { print p + 0, f + 0, s + 0 }
	' "$1"
}

check_model() {
	local log=$LAB_LOG/test-model.log status=0 p f s
	say "== model: cargo test; log: $(shown "$log")"
	(cd /src/model && CARGO_TARGET_DIR=$MODEL_TARGET cargo test --release --locked) > "$log" 2>&1 < /dev/null || status=$?
	read -r p f s < <(awk '/^test result:/ { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i; if ($(i + 1) ~ /^ignored/) s += $i } } END { print p + 0, f + 0, s + 0 }' "$log")
	[ "$status" = 0 ] || grep -E '^(test .* FAILED|error)' "$log" | head -n 20 || true
	part model "$p" "$f" "$s" "$status"
}

# in_guest LOG COMMAND: runs it in a guest; its status in guest_status.
in_guest() {
	local log=$1
	shift
	guest_status=123
	guest_run "$@" > "$log" 2> "$log.lab"
	cat "$log.lab" >&2
}

check_kunit() {
	local log=$LAB_LOG/test-kunit.log p f s suite
	say "== kunit: log: $(shown "$log")"
	guest_defaults
	opt_ports=0 opt_timeout=300
	opt_append="kunit.autorun=1 kunit.filter_glob=$KUNIT_FILTER log_buf_len=8M"
	in_guest "$log" /src/lab/guest/kunit
	read -r p f s < <(ktap_count "$log")
	grep -E '^ *not ok' "$log" | head -n 20 || true
	# Every suite of this repository must have run.
	while read -r suite; do
		grep -qE "^ *# Subtest: ${suite}[[:space:]]*\$" "$log" || {
			say "kunit: suite $suite did not run"
			f=$((f + 1))
		}
	done < <({ driver_sources; find "$LAB_SRC_IN/rust" -name '*.rs'; } | xargs -d '\n' sed -nE 's/^#\[(.*::)?kunit_tests\((\w+)\)\].*/\2/p' | sort -u)
	part kunit "$p" "$f" "$s" "$guest_status"
}
# Suites of the kernel crate (upstream's too) and of the driver.
KUNIT_FILTER='rust_*'

check_selftests() {
	local driver log p f s
	for driver in rust c; do
		log=$LAB_LOG/test-selftests-$driver.log
		say "== selftests, $driver driver; log: $(shown "$log")"
		if [ ! -x /src/tests/selftests/run_all ]; then
			say "tests/selftests/run_all is missing"
			part "selftests-$driver" 0 0 0
			continue
		fi
		guest_defaults
		opt_timeout=900
		DRIVER=$driver in_guest "$log" /src/lab/guest/selftests
		# run_all sums up itself and counts results that are missing as failed.
		read -r p f s < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped\r?$/\1 \2 \3/p' "$log" | tail -n 1; echo 0 0 0)
		grep -E '^ *not ok|# *SKIP' "$log" | head -n 60 || true
		part "selftests-$driver" "$p" "$f" "$s" "$guest_status"
	done
}

check_all() {
	trap 'guest_end; end_step' EXIT
	# A failed build must still be summed up.
	guest_defaults
	local built
	set +e
	( set -e; guest_build )
	built=$?
	set -e
	if [ "$built" = 0 ]; then part build 1 0 0; else part build 0 1 0; fi
	take_lock lint.lock
	lint_all
	drop_lock
	part lint "$lint_passed" "$lint_failed" 0
	check_model
	if [ "$built" = 0 ]; then
		check_kunit
		check_selftests
	else
		say "nothing to boot: kunit and selftests did not run"
		part kunit 0 0 0
		part selftests-rust 0 0 0
		part selftests-c 0 0 0
	fi
	say "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}
