# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Guests: the model's ports, QEMU, a command and its exit status.

RUNS=$LAB_CACHE/run
MODEL_TARGET=$LAB_CACHE/target/model
MODEL=$MODEL_TARGET/release/dwmac-model

guest_help() {
	cat <<-EOF
	usage: lab/lab guest [OPTIONS] [-- COMMAND...]
	  --ports N         ports of the model, wired in pairs a-b, c-d (default 2; 0: no model)
	  --ids ID,ID...    PCI ids of the ports (default 8086:4b30,8086:4ba0,...; functions of one id clash in the C driver)
	  --irq KIND[+KIND]  what the ports offer: intx, msi, msix (default: all three)
	  --version V       GMAC version register, e.g. 0x42 (default 0x52)
	  --port-opts K=V,..  further options of every port, as in dwmac-model serve --port
	  --strict MODE     what the model does when the driver breaks the hardware's rules: on (default), warn, off
	  --pcap PREFIX     capture each port into PREFIX-a.pcap, ... (under /cache or /src)
	  --smp N, --mem SIZE, --append TEXT   the guest's CPUs (2), memory (1G; debug: 2G), kernel command line
	  --iommu           a virtual IOMMU: the device reaches only what the driver mapped
	  --turns           emulated CPUs take turns in one thread: none waits for a lock of another that the host does not run,
	                    which may take half the time where several guests run
	  --timeout S       end the guest after S seconds (default 600; a shell: never)
	  --env NAME=VALUE  an environment variable for COMMAND
	  --allow-warnings  a kernel warning does not fail the run
	  --no-leak-check   with the debug kernel: do not unload the drivers and look for what they left
	  --no-build        take kernel, module, image and model as they are
	  --keep            keep the folder with the logs
	Exit status: COMMAND's; 124 after a timeout, 123 if the kernel died or the guest did not start,
	122 if COMMAND succeeded but the kernel log has a warning (the leak check puts its findings there), 121 if it succeeded
	but the driver broke rules of the hardware that tests/selftests/known-violations does not list; they are printed;
	120 if all that is well, but the model's silence means nothing: it died, panicked, did not answer at the end or not
	end when told to, or strict mode was not what --strict says any more.
	In the guest: /src is the repository, 'modelctl' talks to the model ('modelctl help').
	EOF
}

make_model() {
	[ -e /src/model/Cargo.toml ] || die "model/ has no Cargo.toml"
	step model build_model
}

build_model() { model_cargo build --release --locked; }

# model_cargo ARG...: cargo on the model. It judges by times, and in a fresh
# clone every file is new: it gets a copy where what is equal keeps its time.
model_cargo() {
	local f to
	take_lock model.lock
	while read -r f; do
		to=$MODEL_COPY/$f
		if ! cmp -s "/src/model/$f" "$to"; then
			mkdir -p "$(dirname "$to")"
			cp --no-preserve=mode,timestamps "/src/model/$f" "$to"
		fi
	done < <(model_files /src/model)
	while read -r f; do [ -e "/src/model/$f" ] || rm "$MODEL_COPY/$f"; done < <(model_files "$MODEL_COPY")
	drop_lock
	(cd "$MODEL_COPY" && CARGO_TARGET_DIR=$MODEL_TARGET cargo "$@")
}
MODEL_COPY=$LAB_CACHE/model
model_files() { [ ! -d "$1" ] || (cd "$1" && find . -name target -prune -o -type f -printf '%P\n'); }

# An openable /dev/kvm may still not run a guest: boot one, once per host boot.
find_accel() {
	local key log=$LAB_CACHE/accel.log
	key="$(cat /proc/sys/kernel/random/boot_id) $(uname -r) $(id -u)"
	if [ -e "$LAB_CACHE/accel" ] && [ "$(sed 1d "$LAB_CACHE/accel")" = "$key" ]; then
		ACCEL=$(sed 1q "$LAB_CACHE/accel")
		return
	fi
	ACCEL=tcg
	if [ -w /dev/kvm ]; then
		rm -f "$log"
		timeout -k 1 20 qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -accel kvm -cpu host -M q35 -m 256M \
			-serial "file:$log" -kernel "$(bzimage)" -append "console=ttyS0 panic=-1" > "$log.qemu" 2>&1 < /dev/null || true
		# No root file system: a kernel that runs says so.
		if grep -q 'Unable to mount root fs' "$log" 2>/dev/null; then
			ACCEL=kvm
		else
			say "lab: /dev/kvm opens but does not run a guest, using TCG" >&2
		fi
	fi
	printf '%s\n%s\n' "$ACCEL" "$key" > "$LAB_CACHE/accel"
}

# The guest's clock under TCG, measured here and not by the guest.
find_clock() {
	local key=$LAB_CACHE/tsc-khz
	CLOCK=
	[ "$ACCEL" = tcg ] && grep -qw constant_tsc /proc/cpuinfo || return 0
	if ! stamped "$key.boot" "$(cat /proc/sys/kernel/random/boot_id)"; then
		clang -O2 -o "$key.bin" "$LAB/guest/tsc-khz.c"
		"$key.bin" > "$key"
		stamp "$key.boot" "$(cat /proc/sys/kernel/random/boot_id)"
	fi
	CLOCK="tsc=reliable tsc_early_khz=$(cat "$key")"
}

port_name() { printf '%b' "\\x$(printf %x $((97 + $1)))"; }

start_model() {
	local i ids=() args=() opts
	IFS=, read -ra ids <<< "$opt_ids"
	for ((i = 0; i < opt_ports; i++)); do
		opts="name=$(port_name "$i"),socket=$run/port$i.sock,id=${ids[i % ${#ids[@]}]},mac=02:00:00:00:00:0$((i + 1))"
		[ -z "$opt_version" ] || opts+=",version=$opt_version"
		[ -z "$opt_irq" ] || opts+=",irq=$opt_irq"
		[ -z "$opt_port_opts" ] || opts+=",$opt_port_opts"
		args+=(--port "$opts")
		[ -z "$opt_pcap" ] || args+=(--pcap "$(port_name "$i")=$opt_pcap-$(port_name "$i").pcap")
	done
	for ((i = 0; i + 1 < opt_ports; i += 2)); do
		args+=(--wire "$(port_name "$i"):$(port_name $((i + 1)))")
	done
	: > "$run/model.log"
	setpriv --pdeathsig KILL "$MODEL" serve "${args[@]}" "--strict=$opt_strict" --control "$run/control.sock" > "$run/model.log" 2>&1 < /dev/null 8>&- &
	model_pid=$!
	for ((i = 0; i < 100; i++)); do
		! grep -qw ready "$run/model.log" || return 0
		kill -0 "$model_pid" 2>/dev/null || break
		sleep 0.1
	done
	die "the model did not start: $(tail -n 1 "$run/model.log"); log: $(shown "$run/model.log")"
}

# guest_boot [COMMAND...]: needs the opt_ variables; sets guest_status.
guest_boot() {
	local i n args=() append
	local console=$run/console.log
	find_accel
	find_clock
	: > "$console"
	# An emulated timer on a busy machine may be late for the check, which panics then.
	append="console=ttyS0 no_timer_check loglevel=5 root=/dev/vda rootfstype=squashfs ro init=/sbin/lab-init oops=panic panic=-1 net.ifnames=0 kunit.autorun=0 $CLOCK"
	args=(-nodefaults -no-user-config -display none -monitor none -no-reboot -rtc base=utc
		-M "q35,memory-backend=mem" -object "memory-backend-memfd,id=mem,size=$opt_mem,share=on" -m "$opt_mem" -smp "$opt_smp"
		-kernel "$(bzimage)" -serial "file:$console"
		-drive "file=$IMAGE,format=raw,if=none,id=root,readonly=on" -device virtio-blk-pci,drive=root
		-device virtio-rng-pci -device pcie-root-port,id=shares,chassis=1
		-device virtio-serial-pci,bus=shares,addr=0.0,multifunction=on,x-pcie-pm-no-soft-reset=on
		-device virtconsole,chardev=tty)
	case $ACCEL in
	kvm) args+=(-accel kvm -cpu host) ;;
	*) args+=(-accel "tcg,thread=$opt_threads" -cpu "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+rdrand,+x2apic") ;;
	esac
	if [ "$opt_iommu" = 1 ]; then
		args+=(-device "intel-iommu,intremap=on,caching-mode=on")
		append+=" intel_iommu=on"
	elif [[ "+$opt_irq+" = *+msi+* ]]; then
		# Several MSI vectors need interrupt remapping on x86.
		args+=(-device "intel-iommu,intremap=on")
		append+=" intel_iommu=on iommu=pt"
	fi
	# 9p and the way to the model do not outlive a reset, so what the system's sleep does to these devices must not be
	# one; only behind a port can they say so.
	n=1
	for i in "src:/src:,readonly=on" "modules:$MODULES/lib/modules:,readonly=on" "lab:$run/share:"; do
		args+=(-fsdev "local,id=fs-${i%%:*},path=$(cut -d: -f2 <<< "$i"),security_model=none,multidevs=remap${i##*:}"
			-device "virtio-9p-pci,bus=shares,addr=0.$((n++)),multifunction=on,x-pcie-pm-no-soft-reset=on,fsdev=fs-${i%%:*},mount_tag=${i%%:*}")
	done
	if [ "$opt_ports" -gt 0 ]; then
		start_model
		args+=(-chardev "socket,id=ctl,path=$run/control.sock,reconnect-ms=1000" -device "virtserialport,chardev=ctl,name=modelctl")
		for ((i = 0; i < opt_ports; i++)); do
			# Else QEMU takes a model for dead that a busy machine did not let run for 5 s.
			args+=(-device "{\"driver\":\"vfio-user-pci\",\"id\":\"port$i\",\"x-msg-timeout\":600000,\"socket\":{\"type\":\"unix\",\"path\":\"$run/port$i.sock\"}}")
		done
	fi
	args+=(-append "$append${opt_append:+ $opt_append}")
	if [ "$interactive" = 1 ]; then
		printf '%s %s\n' "$(stty size)" "${TERM:-linux}" > "$run/share/interactive"
		setpriv --pdeathsig KILL qemu-system-x86_64 "${args[@]}" -chardev "stdio,id=tty,signal=off" 2> "$run/qemu.log" 8>&- || true
		stty sane || true
	else
		# QEMU makes its output non-blocking; the pipe keeps that from others.
		: > "$run/timeout"
		{
			setpriv --pdeathsig KILL timeout -k 5 "$opt_timeout" setpriv --pdeathsig KILL qemu-system-x86_64 "${args[@]}" -chardev "stdio,id=tty,signal=off" 2> "$run/qemu.log" < /dev/null 8>&- && rm -f "$run/timeout"
			[ $? != 124 ] || say timeout > "$run/timeout"
		} | cat
	fi
	guest_verdict
}

KERNEL_TROUBLE='Kernel panic|Oops|BUG:|WARNING:|KASAN|UBSAN|DMA-API:|possible .* deadlock|possible recursive locking|inconsistent lock state|suspicious RCU|sleeping function called|blocked for more than|scheduling while atomic|unreferenced object|ODEBUG|stalled pool shutdown|lab-leaks:'

# A model that hangs must not keep the lab.
ask_model() { timeout -k 1 20 "$MODEL" ctl --control "$run/control.sock" "$@" 2>> "$run/model.log"; }

# guest_violations SEEN: what strict mode saw, without what a driver is known for.
guest_violations() {
	local line what driver pattern
	[ -n "$1" ] && [ "$opt_strict" != off ] || return 0
	while IFS= read -r line; do
		what=${line#*: }
		while IFS='|' read -r driver pattern _; do
			driver=${driver// /} pattern=${pattern# }
			# shellcheck disable=SC2053 # a pattern
			if [ "$driver" = "$DRIVER" ] && [[ $what == ${pattern% }:* ]]; then
				continue 2
			fi
		done < /src/tests/selftests/known-violations
		say "$line"
	done <<< "$1"
}

# judge_model: the model's last words, and its end. Sets violations, and trouble
# to what would make it worth nothing that there are none.
judge_model() {
	local i seen ports status=0
	violations='' trouble=()
	[ -n "$model_pid" ] || return 0
	if ! kill -0 "$model_pid" 2>/dev/null; then
		trouble+=("it was gone before the end")
	else
		if seen=$(ask_model strict) && ports=$(ask_model ports); then
			violations=$(guest_violations "$seen")
			ports=$(grep -vw "strict=$opt_strict" <<< "$ports" | grep -o 'name=[^ ]*' | tr '\n' ' ') || true
			[ -z "$ports" ] || trouble+=("strict mode is not '$opt_strict' any more: ${ports% }")
		else
			trouble+=("it does not answer")
		fi
		kill "$model_pid" 2>/dev/null || true
		for ((i = 0; i < 100; i++)); do
			kill -0 "$model_pid" 2>/dev/null || break
			sleep 0.1
		done
		! kill -KILL "$model_pid" 2>/dev/null || trouble+=("it does not end when told to")
	fi
	wait "$model_pid" || status=$?
	model_pid=
	# With 1 it also ends for violations, of which only guest_violations knows which ones count.
	case $status:$(tail -n 1 "$run/model.log") in
	0:* | 137:* | 1:*"violations of the hardware's rules"*) ;;
	*) trouble+=("it ended with status $status: $(tail -n 1 "$run/model.log")") ;;
	esac
	! grep -qE 'unexpected reply|timed out waiting' "$run/qemu.log" || trouble+=("it answered so late that QEMU took it for dead: all registers read as ones")
	! grep -q panicked "$run/model.log" || trouble+=("$(grep -m 1 panicked "$run/model.log")")
}

guest_verdict() {
	local violations trouble
	judge_model
	if [ ${#trouble[@]} -gt 0 ]; then
		warn "the model is not to be trusted; log: $(shown "$run/model.log")"
		printf '  ! %s\n' "${trouble[@]}" >&2
		opt_keep=1
	fi
	if [ -n "$violations" ]; then
		warn "the driver broke rules of the hardware:"
		sed 's/^/  ! /' <<< "$violations" >&2
	fi
	if [ -s "$run/share/status" ]; then
		guest_status=$(cat "$run/share/status")
		if grep -qE "$KERNEL_TROUBLE" "$run/console.log"; then
			console_extract "the kernel log has a warning"
			[ "$guest_status" != 0 ] || [ "$opt_allow_warnings" = 1 ] || guest_status=122
		fi
		[ "$guest_status" != 0 ] || [ -z "$violations" ] || [ "$opt_strict" = warn ] || guest_status=121
		[ "$guest_status" != 0 ] || [ ${#trouble[@]} = 0 ] || guest_status=120
		return
	fi
	if [ -s "$run/timeout" ]; then
		guest_status=124
		console_extract "the guest ran longer than $opt_timeout s"
	elif grep -q 'Kernel panic' "$run/console.log"; then
		guest_status=123
		console_extract "the guest's kernel died"
	elif [ "$interactive" = 1 ] && [ ! -s "$run/qemu.log" ]; then
		guest_status=$([ ${#trouble[@]} = 0 ] && say 0 || say 120)
	else
		guest_status=123
		console_extract "the guest ended early: $(tail -n 1 "$run/qemu.log")"
	fi
}

console_extract() {
	warn "$1; console: $(shown "$run/console.log")"
	tr -d '\r' < "$run/console.log" | grep -nE "$KERNEL_TROUBLE" | head -n 5 | sed 's/^/  | /' >&2 || true
	tail -n 15 "$run/console.log" | tr -d '\r' | sed 's/^/  > /' >&2
	opt_keep=1
}

guest_defaults() {
	opt_ports=2 opt_ids=8086:4b30,8086:4ba0,16c3:7102,8086:4bb0 opt_irq='' opt_version='' opt_port_opts=''
	opt_smp=2 opt_mem=1G opt_append='' opt_iommu=0 opt_threads=multi opt_timeout=600 opt_env=()
	opt_pcap='' opt_allow_warnings=0 opt_leak_check=1 opt_build=1 opt_keep=0 opt_strict=on
	interactive=0
	# Shadow memory, and what was freed and is kept to catch its users.
	[ "$KERNEL" != debug ] || opt_mem=2G
}

# guest_parse ARGS...: sets opt_ and guest_args.
guest_parse() {
	guest_defaults
	guest_args=()
	while [ $# -gt 0 ]; do
		case $1 in
		--ports | --ids | --irq | --version | --port-opts | --pcap | --strict | --smp | --mem | --append | --timeout)
			[ $# -ge 2 ] || die "guest: $1 wants a value"
			printf -v "opt_$(tr - _ <<< "${1#--}")" %s "$2"
			shift
			;;
		--env) opt_env+=("$2"); shift ;;
		--iommu) opt_iommu=1 ;;
		--turns) opt_threads=single ;;
		--allow-warnings) opt_allow_warnings=1 ;;
		--no-leak-check) opt_leak_check=0 ;;
		--no-build) opt_build=0 ;;
		--keep) opt_keep=1 ;;
		--help | -h) guest_help; exit 0 ;;
		--) shift; guest_args=("$@"); return ;;
		*) die "guest: unknown option '$1'; see lab/lab guest --help" ;;
		esac
		shift
	done
}

guest_build() {
	if [ "$opt_build" = 1 ]; then
		[ "$opt_ports" = 0 ] || build_ahead
		make_module
		await_ahead
		make_image
		[ "$opt_ports" = 0 ] || make_model
	fi
	[ -e "$(bzimage)" ] && [ -e "$IMAGE" ] || die "no kernel or no guest image yet; run make kernel and lab/lab image"
}

# A kernel build starts with minutes of Rust on one CPU. Where there is nothing
# yet, model and image are made meanwhile; what fails here is tried again, and
# told, at its turn.
ahead_extra() { :; } # what a caller wants done in that time besides
ahead_pid=
build_ahead() {
	[ ! -x "$MODEL" ] || [ ! -e "$IMAGE" ] || return 0
	mkdir -p "$LAB_LOG"
	set -m
	{
		( set -e; build_model )
		if [ ! -e "$IMAGE" ]; then ( set -e; build_image ); fi
		( set -e; ahead_extra )
	} > "$LAB_LOG/ahead.log" 2>&1 < /dev/null &
	ahead_pid=$!
	set +m
}

# Not `wait`: job control may have been switched since.
await_ahead() {
	while [ -n "$ahead_pid" ] && kill -0 "$ahead_pid" 2>/dev/null; do sleep 0.2; done
	ahead_pid=
}

model_pid=
run=
guest_end() {
	[ -z "$model_pid" ] || kill "$model_pid" 2>/dev/null || true
	[ -z "$ahead_pid" ] || kill -- "-$ahead_pid" 2>/dev/null || true
	model_pid=
	if [ -n "$run" ] && [ "$opt_keep" = 0 ]; then
		rm -rf "$run"
	fi
	run=
}

# guest_run [COMMAND...]: one guest from start to end; sets guest_status.
guest_run() {
	local e
	mkdir -p "$RUNS"
	# Logs of failed runs are kept, but not for ever.
	find "$RUNS" -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} +
	run=$(mktemp -d "$RUNS/$(date +%H%M%S).XXXX")
	mkdir "$run/share"
	: > "$run/share/env"
	for e in "DRIVER=$DRIVER" "KERNEL=$KERNEL" "IRQ_KINDS=$opt_irq" "LEAK_CHECK=$opt_leak_check" "${opt_env[@]}"; do
		printf '%s=%q\n' "${e%%=*}" "${e#*=}" >> "$run/share/env"
	done
	if [ $# -gt 0 ]; then
		if [ $# = 1 ]; then printf '%s\n' "$1"; else printf '%q ' "$@"; fi > "$run/share/cmd"
	fi
	guest_status=123
	guest_boot
	guest_end
}

guest_command() {
	guest_parse "$@"
	[ ${#guest_args[@]} -gt 0 ] || interactive=1
	[ "$interactive" = 0 ] || [ -t 0 ] || die "guest: no command and no terminal; use lab/lab guest -- COMMAND"
	guest_build
	trap 'guest_end; end_step' EXIT
	guest_run "${guest_args[@]}"
	exit "$guest_status"
}
