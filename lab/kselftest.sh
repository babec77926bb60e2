# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make kselftest: the kernel's own driver tests (tools/testing/selftests) on our
# port and, for comparison, on the C driver's. The second port, in a namespace,
# is the remote end.

KSELFTEST=$LAB_CACHE/kselftest
KSELFTEST_TARGETS="net/lib net/forwarding drivers/net drivers/net/hw"
# What this generation's hardware is able to, or must refuse in good order. Not
# among them, of Linux 7.3.4, which has no net/hw/vlan.py:
# - net/hw/loopback.sh, net/hw/ethtool.sh: both ports in one namespace, kept apart
#   by VRF, which this kernel does not have;
# - net/hw/ethtool_extended_state.sh: wants a driver that knows why there is no
#   link (get_link_ext_state), and a third port without a cable;
# - net/hw/pp_alloc_fail.py: wants a kernel with FAIL_FUNCTION and BPF;
#   tests/selftests/faults.py fails allocations here;
# - net/netpoll_basic.py: wants bpftrace; tests/selftests/netpoll.py is for that;
# - net/xdp.py, net/hw/xdp_metadata.py, net/hw/xsk_reconfig.py, net/hw/iou-zcrx.py,
#   net/hw/*devmem.py, net/hw/nk_*.py: XDP, AF_XDP and memory of others for receive
#   rings are not there yet;
# - net/hw/rss_*.py, net/hw/toeplitz.py, net/hw/ntuple.py, net/hw/gro_hw.py,
#   net/hw/ipsec_vxlan.py, net/hw/ethtool_mm.sh, net/hw/hw_stats_l3*.sh,
#   net/hw/devlink_*.py, net/macsec.py, net/psp.py, net/shaper.py: the hardware has
#   none of it, or it is for tc, which is not there yet.
KSELFTEST_PROGRAMS="net/ping.py net/stats.py net/queues.py net/ring_reconfig.py net/napi_id.py net/napi_threaded.py net/gro.py
	net/hds.py net/so_txtime.py net/hw/irq.py net/hw/csum.py net/hw/nic_timestamp.py net/hw/tso.py net/hw/uso.py
	net/hw/ethtool_std_stats.sh net/hw/ethtool_rmon.sh"

kselftest_id() { { source_id; say "$KSELFTEST_TARGETS"; } | hash_of; }

# They are built in a partial copy of the source: `make headers` in the tree that
# the kernels are built from would make it unfit for that.
build_kselftest() {
	local src=$KSELFTEST/src d parts=()
	rm -rf "$KSELFTEST"
	mkdir -p "$src"
	for d in Makefile Kbuild Documentation/netlink arch/x86 include scripts tools usr; do parts+=("$LINUX_SOURCE/$d"); done
	tar -C "$src" --strip-components=1 -xf "$SOURCE_TAR" "${parts[@]}"
	make -C "$src" LLVM=1 ARCH=x86 -j"$JOBS" headers
	# The programs that are generated from netlink specifications concern others.
	make -C "$src/tools/testing/selftests" LLVM=1 ARCH=x86 -j"$JOBS" TARGETS="$KSELFTEST_TARGETS" YNL_GEN_FILES= \
		KSFT_INSTALL_PATH="$KSELFTEST/install" install
	[ -e "$KSELFTEST/install/drivers/net/ping.py" ] || die "the kernel's selftests were not installed; see the log"
	rm -rf "$src"
	stamp "$KSELFTEST/.stamp" "$(kselftest_id)"
}

make_kselftest() {
	if stamped "$KSELFTEST/.stamp" "$(kselftest_id)"; then
		done_step kselftest
		return
	fi
	take_lock image.lock
	step kselftest build_kselftest
	drop_lock
}

# kselftest_guest DRIVER: headers are split on other ports than Intel's. What hangs
# with the C driver has a guest of its own: NAPIs that are not enabled are in its
# list, too, so who has threads no longer poll waits for ever, holding the lock that
# all programs after it would wait for.
kselftest_guest() {
	local log=$LAB_LOG/kselftest-$1.log program status=0 usual=() split=() hangs=()
	for program in $kselftest_programs; do
		case $1-$program in
		*-net/hds.py) split+=("$program") ;;
		c-net/napi_threaded.py) hangs+=("$program") ;;
		*) usual+=("$program") ;;
		esac
	done
	: > "$log"
	if [ ${#usual[@]} -gt 0 ]; then kselftest_run "$1" "${usual[*]}"; fi
	if [ ${#split[@]} -gt 0 ]; then kselftest_run "$1" "${split[*]}" "${SNPS[@]}"; fi
	if [ ${#hangs[@]} -gt 0 ]; then kselftest_run "$1" "${hangs[*]}" --env LIMIT=120; fi
	guest_status=$status
}

# kselftest_run DRIVER PROGRAMS [OPTION...]: more CPUs than queues, or irq.py has
# none to move an interrupt to.
kselftest_run() {
	guest_parse --timeout 3000 --smp 4 --env "PROGRAMS=$2" "${@:3}"
	DRIVER=$1 in_guest "$log.part" /src/lab/guest/kselftest
	cat "$log.part" >> "$log"
	status=$((status | guest_status))
}

# Ours is judged: what fails or is skipped has a reason in lab/kselftest-reasons.
kselftest_rust() {
	local log=$LAB_LOG/kselftest-rust.log p f=0 s=0 verdict
	kselftest_guest rust
	p=$(kselftest_cases "$log" passed | grep -c . || true)
	while read -r verdict; do
		case $verdict in
		*'no reason is known') f=$((f + 1)) ;;
		*) s=$((s + 1)) ;;
		esac
	done < <(kselftest_reasons "$log")
	part kselftest-rust "$p" "$f" "$s" "$guest_status"
}

# The C driver is there for comparison: that it ran to the end is all that counts.
kselftest_c() {
	local n
	kselftest_guest c
	n=$(grep -c '^# program ' "$LAB_LOG/kselftest-c.log" || true)
	part kselftest-c "$n" "$(($(wc -w <<< "$kselftest_programs") - n))" 0 "$guest_status"
}

# kselftest_cases LOG passed|other: "program case" of each result.
kselftest_cases() {
	awk -v want="$2" '
		{ gsub(/\r/, "") }
		/^# program / { for (i = 1; i <= m; i++) print $3, line[i]; m = 0 }
		match($0, /^[ ]*(not ok|ok) [0-9]+ /) {
			other = /^[ ]*not ok/ || / # *(SKIP|XFAIL)/
			$0 = substr($0, RLENGTH + 1)
			if (other == (want == "other")) line[++m] = $1
		}' "$1"
}

# kselftest_reasons LOG: "program case: reason" of what failed or was skipped.
kselftest_reasons() {
	local program case_ p c reason known=()
	mapfile -t known < <(grep -v '^#' "$LAB/kselftest-reasons")
	while read -r program case_; do
		reason='no reason is known'
		for line in "${known[@]}"; do
			IFS="|" read -r p c line <<< "$line"
			p=${p// /} c=${c// /}
			# shellcheck disable=SC2053 # patterns
			if [[ $program == $p && $case_ == $c ]]; then
				reason=${line# }
				break
			fi
		done
		say "$program $case_: $reason"
	done < <(kselftest_cases "$1" other)
}

# The innermost results of both logs side by side.
kselftest_table() {
	awk '
		{ gsub(/\r/, "") }
		FNR == 1 { driver++ }
		/^# program / {
			if (!($3 in seen)) { seen[$3] = 1; order[++n] = $3 }
			for (i = 4; i <= NF; i++) { split($i, kv, "="); cell[$3, driver, kv[1]] = kv[2]; sum[driver, kv[1]] += kv[2] }
		}
		function counts(p, d) {
			if (!((p, d, "pass") in cell)) return "did not run"
			return sprintf("%3d %4d %4d %5d", cell[p, d, "pass"], cell[p, d, "fail"], cell[p, d, "skip"], cell[p, d, "seconds"])
		}
		END {
			printf "%-28s   rust: pass fail skip   sec   c: pass fail skip   sec\n", "drivers/"
			for (i = 1; i <= n; i++) printf "%-28s         %19s        %19s\n", order[i], counts(order[i], 1), counts(order[i], 2)
			printf "%-28s         %3d %4d %4d              %3d %4d %4d\n", "all", sum[1, "pass"], sum[1, "fail"], sum[1, "skip"], sum[2, "pass"], sum[2, "fail"], sum[2, "skip"]
		}' "$LAB_LOG/kselftest-rust.log" "$LAB_LOG/kselftest-c.log"
	say "Failures and skips of ours:"
	# Cases that differ in one word only share a line.
	kselftest_reasons "$LAB_LOG/kselftest-rust.log" | sed -E 's/\.(hw|lro|sw)_[^ :]+:/.\1_...:/' | sort | uniq -c | sed 's/^/  /'
}

# kselftest_all [PROGRAM...]: as net/ping.py or net/hw/csum.py.
kselftest_all() {
	kselftest_programs=${*:-$KSELFTEST_PROGRAMS}
	use_image kselftest
	guest_defaults
	make_source
	make_kselftest
	guest_build
	find_accel
	start kselftest_rust
	start kselftest_c
	finish kselftest_rust
	finish kselftest_c
	kselftest_table
}

kselftest_command() {
	trap 'guest_end; end_step; end_started' EXIT
	kselftest_all "$@"
	[ "$failed" = 0 ]
}
