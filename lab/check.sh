# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make test: everything that CI runs, summed up. A part that does not run, or
# runs no test at all, counts as failed.

passed=0 failed=0 skipped=0

# counts_to: a file that takes the counts of what runs in the background.
counts_to=
count() {
	if [ -n "$counts_to" ]; then
		say "$*" >> "$counts_to"
	else
		passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
	fi
}

# What is done by the release kernel keeps its plain name.
label() { if [ "$KERNEL" = release ]; then say "$1"; else say "$1-$KERNEL"; fi; }

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
	model_cargo test --release --locked > "$log" 2>&1 < /dev/null || status=$?
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
	local name log p f s suite
	name=$(label kunit)
	log=$LAB_LOG/test-$name.log
	say "== $name: log: $(shown "$log")"
	guest_defaults
	opt_ports=0 opt_timeout=$([ "$KERNEL" = release ] && echo 300 || echo 900)
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
	part "$name" "$p" "$f" "$s" "$guest_status"
}
# Suites of the kernel crate (upstream's too) and of the driver.
KUNIT_FILTER='rust_*'

# check_selftests NAME DRIVER [OPTION...]: with options of lab/lab guest.
check_selftests() {
	local name log driver=$2 p f s
	name=$(label "selftests-$1")
	shift 2
	log=$LAB_LOG/test-$name.log
	say "== $name; log: $(shown "$log")"
	guest_parse --timeout 2400 "$@"
	DRIVER=$driver in_guest "$log" /src/lab/guest/selftests
	# run_all sums up itself and counts results that are missing as failed.
	read -r p f s < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped\r?$/\1 \2 \3/p' "$log" | tail -n 1; echo 0 0 0)
	grep -E '^ *not ok|# *SKIP|^# leak check' "$log" | head -n 60 || true
	part "$name" "$p" "$f" "$s" "$guest_status"
}

# Other ports, with what only they have, take little more than a boot.
selftests_rust() {
	check_selftests rust rust "${scope[@]}"
	check_selftests sgmii-rust rust "${SGMII[@]}" --env "SELFTESTS=$SGMII_BOTH"
	check_selftests snps-rust rust "${SNPS[@]}" --env "SELFTESTS=$SNPS_RUST"
	check_selftests iommu-rust rust --iommu --env "SELFTESTS=$IOMMU"
	[ ${#scope[@]} = 0 ] || return 0
	check_selftests intx-rust rust --irq intx --env "SELFTESTS=$INTERRUPTS"
	check_selftests msi-rust rust --irq msi --env "SELFTESTS=$INTERRUPTS"
	check_selftests v4.0-rust rust --version 0x40 --env "SELFTESTS=$BASIC $INTERRUPTS"
	check_selftests v4.2-rust rust --version 0x42 --env "SELFTESTS=$BASIC $VLAN_4_2"
	check_selftests v5.1-rust rust --version 0x51 --env "SELFTESTS=$BASIC"
	check_selftests bare-rust rust --port-opts "$BARE" --env "SELFTESTS=$BARE_CASES"
	local ids name
	for ids in "${OTHER_IDS[@]}"; do
		name=${ids//8086:/}
		check_selftests "${name/,/-}-rust" rust --ids "$ids" --env "SELFTESTS=$BINDS"
	done
}
# Its driver does not change: after each change it is there as the witness that
# the model is hardware and the tests judge any driver.
selftests_c() {
	if [ ${#scope[@]} = 0 ]; then
		check_selftests c c
	else
		check_selftests c c --env "SELFTESTS=$QUICK_C"
	fi
	check_selftests sgmii-c c "${SGMII[@]}" --env "SELFTESTS=$SGMII_BOTH"
	[ ${#scope[@]} = 0 ] || return 0
	check_selftests snps-c c "${SNPS[@]}" --env "SELFTESTS=$BASIC"
	check_selftests intx-c c --irq intx --env "SELFTESTS=$INTERRUPTS_C"
	check_selftests msi-c c --irq msi --env "SELFTESTS=$INTERRUPTS_C"
	# Its other queues want enhanced descriptors, which came with release 5.
	check_selftests v4.0-c c --version 0x40 --port-opts queues=1 --env SELFTESTS=stream
	check_selftests v4.2-c c --version 0x42 --port-opts queues=1 --env SELFTESTS=stream
	check_selftests v5.1-c c --version 0x51 --env "SELFTESTS=$BASIC"
}
QUICK_C="link:carrier_down,speed_and_duplex,driver_info ping:v4_mtu1500,v4_fragments stream:tcp_v4_tx,tcp_v6_rx,tcp_both_ways,udp_v4_rx frames:edges_tx csum:traffic_tx_on_rx_on,on_wire_tx_on,wrong_udp_v4_rx_on tso:tcp_segments_v4_on filter:broadcast,groups_3,promisc_flag vlan:strip_c_on rings:ring_change_traffic,channels_change stats:exact ptp:transmit,receive_all suspend:up selftest:offline tx_timeout strict bind:rebind_traffic"
SGMII=(--ids 8086:4b32,8086:4ba1)
SGMII_BOTH="link:speed_and_duplex,restart ping:v4_mtu1500,v6_mtu9000 suspend:up,down_after"
# One vector, and what is off on Intel's: split headers, also of frames that make no sense.
SNPS=(--ids 16c3:7102,8086:4ba0)
SNPS_RUST="stream:tcp_v4_tx,tcp_v4_rx,udp_v4_tx,udp_v4_rx split hwfaults:safety,safety_fatal,rx_length,rx_no_first,rx_no_last,rx_random,rx_context selftest:offline,broken_crc strict"
# Where the device reaches only what is mapped.
IOMMU="stream:tcp_both_ways rings:ring_change_traffic bind:rebind_idle"
# What other interrupts, and other releases of the core, may change.
INTERRUPTS="qstats:messages,interrupts stream:tcp_both_ways hwfaults:bus_error_rx_desc,restart_rx_wedge,lost_interrupt,spurious"
INTERRUPTS_C="qstats:messages selftest:offline stream:tcp_both_ways"
BASIC="stream selftest:offline"
# A core with nothing that can be left out.
BARE="tso=0,sph=0,sa-vlan-ins=0,vlan-hash=0,vlan-filters=1,dvlan=0,ts=0,eee=0,pmt=0,l3l4=0,arp=0,asp=0,hash=0,mac-addrs=0,edse=0"
BARE_CASES="stream link ping registers"
# The one VLAN filter, or the hash: more came with later releases.
VLAN_4_2="vlan:strip_s_on,filter_few_s,filter_many_s,service_strip"
# With those above all ids that the model has.
OTHER_IDS=(8086:4b31,8086:4ba2 8086:4bb0,8086:4bb1 8086:4bb2,8086:54ac)
BINDS="link:speed_and_duplex,driver_info ping:v4_mtu1500"

selftests_debug() {
	if [ ${#scope[@]} != 0 ]; then
		check_selftests rust rust --timeout 3600 "${scope[@]}"
		return
	fi
	check_selftests rust rust --timeout 14400 --env "SELFTESTS=$ALL_DEBUG"
	check_selftests snps rust --timeout 3600 "${SNPS[@]}" --env "SELFTESTS=$SNPS_DEBUG"
	check_selftests sgmii rust --timeout 3600 "${SGMII[@]}" --env "SELFTESTS=$SGMII_DEBUG"
}
# With every buffer bounced, so that a forgotten sync shows. Of three guests that are all busy one
# has CPUs that really run at the same time.
selftests_swiotlb() {
	local bounced=(--turns --append swiotlb=131072,force)
	check_selftests swiotlb rust --timeout 14400 "${bounced[@]}" --env "SELFTESTS=$ALL_DEBUG"
	check_selftests swiotlb-snps rust --timeout 3600 "${bounced[@]}" "${SNPS[@]}" --env "SELFTESTS=$SNPS_DEBUG"
}
# The device reaches only what is mapped.
selftests_iommu() {
	check_selftests iommu rust --timeout 14400 --turns --iommu --env "SELFTESTS=$ALL_DEBUG"
	check_selftests iommu-snps rust --timeout 3600 --turns --iommu "${SNPS[@]}" --env "SELFTESTS=$SNPS_DEBUG"
}
ALL_DEBUG="link ping stream frames csum tso split filter vlan macaddr mtu pause rings stats qstats counters registers eee ptp updown flap suspend runtime wol selftest tx_timeout hwfaults health strict bind select_driver netpoll faults loops"
SNPS_DEBUG="$SNPS_RUST bind:rebind_idle faults:open,ring_change,receive,receive_each"
# The PCS and the lane come and go with the port.
SGMII_DEBUG="$SGMII_BOTH stream:tcp_both_ways bind:rebind_traffic faults:probe,open"

# start NAME [COMMAND...]: runs it, or the function NAME, in the background, for a
# guest mostly waits.
# finish NAME: shows what it said and counts its results.
declare -A started=()
start() {
	local name=$1 out=$LAB_LOG/part-$1
	[ $# = 1 ] || shift
	# Both before anybody looks.
	: > "$out"
	: > "$out.counts"
	# A process group of its own, so that all of it can be ended.
	set -m
	(
		set +m
		started=()
		trap 'guest_end; end_step; end_started' EXIT
		trap 'exit 143' TERM
		counts_to=$out.counts
		"$@"
	) >> "$out" 2>&1 < /dev/null &
	set +m
	started[$name]=$!
}

finish() {
	local out=$LAB_LOG/part-$1 p f s status=0
	tail -n +1 -f --pid="${started[$1]}" "$out"
	wait "${started[$1]}" || status=$?
	unset "started[$1]"
	[ -s "$out.counts" ] || part "$1" 0 1 0 "$status"
	while read -r p f s; do count "$p" "$f" "$s"; done < "$out.counts"
}

end_started() {
	local pid
	for pid in "${started[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
}

# A failed build must still be summed up: sets built to 1 or 0. Not to be
# called under `if` or `||`, or errexit would not hold inside.
check_build() {
	guest_defaults
	set +e
	( set -e; trap end_step EXIT; guest_build )
	built=$((! $?))
	set -e
	part "$(label build)" "$built" $((1 - built)) 0
}

# What the checks of the model have to compile.
ahead_extra() {
	model_cargo test --release --locked --no-run
	lint_clippy_model
	lint_rustdoc_model
}

check_lint() {
	take_lock
	lint_all
	drop_lock
	part lint "$lint_passed" "$lint_failed" 0
}

# What a kernel is not there for.
not_run() {
	local name
	say "nothing to boot with the $KERNEL kernel: $* did not run"
	for name; do part "$(label "$name")" 0 0 0; done
}

check_release() {
	check_build
	start check_lint
	check_model
	if [ "$built" = 0 ]; then
		finish check_lint
		not_run kunit selftests-rust selftests-c
		return
	fi
	check_kunit
	finish check_lint
}

# What has to be built takes the time that the guests leave.
debug_build() {
	use_kernel debug
	renice -n 19 -p "$BASHPID" > /dev/null
	LAB_STEP=0
	check_build
}

debug_guest() {
	use_kernel debug
	build_ids
	if stamped "$LINUX/$BUILD/.lab-module" "$MODULE_ID"; then
		selftests_debug
	else
		not_run selftests-rust
	fi
}

# A machine that needs longer for one kernel and what comes with it would need
# more than an hour for both.
BUILD_BOTH_WITHIN=$((20 * 60))
debug_fits() (
	use_kernel debug
	build_ids
	stamped "$LINUX/$BUILD/.lab-kernel" "$KERNEL_ID" || [ "$SECONDS" -le "$BUILD_BOTH_WITHIN" ]
)

# What CI runs: some cases of each kind. A guest keeps a CPU busy; more of them
# would save nothing, and take time away in the middle of tests.
check_quick() {
	local fits=1
	scope=(--env QUICK=1)
	use_kernel release
	check_release
	[ "$built" = 1 ] || return 0
	debug_fits || fits=0
	start selftests_rust
	start selftests_c
	[ "$fits" = 0 ] || start debug_build
	finish selftests_c
	if [ "$fits" = 1 ]; then
		finish debug_build
		start debug_guest
	fi
	finish selftests_rust
	if [ "$fits" = 1 ]; then
		finish debug_guest
	else
		say "selftests-rust-debug: the first kernel took too long to build a second one now; make kernel KERNEL=debug does"
		part selftests-rust-debug 0 0 1
	fi
}

# Everything, with one kernel.
check_whole() {
	scope=()
	use_kernel "$1"
	if [ "$1" = release ]; then
		check_release
		[ "$built" = 1 ] || return 0
		start selftests_rust
		start selftests_c
		finish selftests_rust
		finish selftests_c
		return
	fi
	check_build
	if [ "$built" = 0 ]; then
		not_run kunit selftests-rust selftests-swiotlb selftests-iommu
		return
	fi
	check_kunit
	start selftests_debug
	start selftests_swiotlb
	start selftests_iommu
	finish selftests_debug
	finish selftests_swiotlb
	finish selftests_iommu
}

sum_up() {
	say "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
}

check_all() {
	trap 'guest_end; end_step; end_started' EXIT
	if [ -n "$CHOSEN_KERNEL" ]; then check_whole "$CHOSEN_KERNEL"; else check_quick; fi
	sum_up
}

# make test-long: what takes hours. In parts, if they are named.
check_long() {
	local part built_last='' whole=() guests=() at=0 peers=0
	trap 'guest_end; end_step; end_started' EXIT
	[ $# -gt 0 ] || set -- release kselftest debug faults loops
	for part; do
		case $part in
		release | debug) whole+=("$part") ;;
		kselftest) peers=1 ;;
		faults) guests+=("${LONG_FAULTS[@]}") ;;
		loops) guests+=("${LONG_LOOPS[@]}") ;;
		faults:* | loops:*) guests+=("$part") ;;
		*) die "unknown part '$part'; there are release, debug, kselftest, faults and loops, and cases of the last two, as in loops:bind,updown" ;;
		esac
	done
	for part in "${whole[@]}"; do
		check_whole "$part"
		built_last=$part
	done
	if [ "$peers" = 1 ]; then
		start long_kselftest
		finish long_kselftest
	fi
	if [ ${#guests[@]} -gt 0 ]; then
		use_kernel debug
		if [ "$built_last" != debug ]; then check_build; fi
		if [ "$built" = 1 ]; then
			for part in "${guests[@]}"; do
				[ "${#started[@]}" -lt "$LONG_AT_A_TIME" ] || finish "${guests[at++]}"
				start "$part" long_guest "$part"
			done
			for part in "${guests[@]:at}"; do finish "$part"; done
		else
			not_run "${guests[@]/#/selftests-}"
		fi
	fi
	sum_up
}
long_kselftest() {
	use_kernel release
	kselftest_all
}
# A guest each, the longest first.
LONG_FAULTS=(faults:probe faults:open,ring_change,mtu_change faults:channels_change,dump,receive,receive_each)
LONG_LOOPS=(loops:bind loops:updown loops:change loops:suspend)
LONG_AT_A_TIME=4
long_guest() {
	local name=${1//[:,]/-} options=()
	case $1 in
	# With one vector: for each of thirty it is the same allocations.
	faults*) options=(--irq intx --env FAULTS=all) ;;
	loops*)
		options=(--env "LOOPS_BIND=${LOOPS_BIND:-500}" --env "LOOPS_UPDOWN=${LOOPS_UPDOWN:-1000}"
			--env "LOOPS_CHANGE=${LOOPS_CHANGE:-1000}" --env "LOOPS_SUSPEND=${LOOPS_SUSPEND:-100}")
		;;
	esac
	check_selftests "$name" rust "${LONG[@]}" "${options[@]}" --env "SELFTESTS=$1"
}
LONG=(--turns --timeout 36000 --env LIMIT=30000)
