# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shared by the host side (lab/lab) and the side inside the root (lab/inside).

# What messages call the cache: the path on the host, wherever it is mounted.
: "${LAB_CACHE:?}" "${LAB_CACHE_SHOWN:=$LAB_CACHE}"
LAB_LOG=$LAB_CACHE/log

say() { printf '%s\n' "$*"; }
warn() { printf 'lab: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }
shown() { printf '%s' "${1/#$LAB_CACHE/$LAB_CACHE_SHOWN}"; }

# A stamp is a hash of what a step was made from.
hash_of() { sha256sum | cut -c1-32; }
stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
stamp() { printf '%s\n' "$2" > "$1.tmp" && mv "$1.tmp" "$1"; }

# The line of a log that says why: known causes first, then the first error.
reason() {
	local log=$1 line
	if grep -qiE 'no space left on device|disk quota exceeded' "$log" ||
		[ "$(df -Pk "$LAB_CACHE" | awk 'NR == 2 { print $4 }')" -lt 102400 ]; then
		say "the disk is full (free some space under $LAB_CACHE_SHOWN)"
	elif line=$(grep -m1 -oE 'Unable to locate package .*|Package .* has no installation candidate|Couldn.t find these debs: .*' "$log"); then
		say "missing package: $line (does the mirror carry the suites of lab/pins?)"
	elif line=$(grep -m1 -oiE '(could not resolve|temporary failure resolving|unable to connect|could not connect|connection (failed|refused|timed out)|failed to fetch|failed getting release file|invalid release file|unable to resolve host).*' "$log"); then
		say "mirror unreachable: $line (set MIRROR=http://...)"
	elif line=$(grep -m1 -E '^lab: ' "$log"); then
		say "${line#lab: }"
	elif line=$(grep -m1 -E '(^|[^a-z-])(error|Error|ERROR|fatal)(\[|:| )|\*\*\*|^E: ' "$log"); then
		say "$line"
	else
		line=$(tail -n 1 "$log")
		say "${line:-no output}"
	fi
}

# step NAME FUNCTION...: runs FUNCTION with its output in a log, shows the
# time that it takes, and dies with one line if it fails. LAB_STEP counts.
LAB_STEP=${LAB_STEP:-0}
LAB_STEPS=${LAB_STEPS:-0}
step_pid=
step() {
	local name=$1 log status=0 start=$SECONDS head last=0
	shift
	LAB_STEP=$((LAB_STEP + 1))
	head="[$LAB_STEP/$LAB_STEPS] $name ..."
	mkdir -p "$LAB_LOG"
	log=$LAB_LOG/$name.log
	[ -t 2 ] || printf '%s\n' "$head" >&2
	# A process group of its own, so that all of it can be ended.
	set -m
	( set -euo pipefail; "$@" ) > "$log" 2>&1 < /dev/null &
	step_pid=$!
	set +m
	while kill -0 "$step_pid" 2>/dev/null; do
		if [ -t 2 ]; then
			printf '\r%s %d s ' "$head" $((SECONDS - start)) >&2
		elif [ $((SECONDS - start)) -ge $((last + 60)) ]; then
			last=$((SECONDS - start))
			printf '%s %d s\n' "$head" "$last" >&2
		fi
		sleep 0.2
	done
	wait "$step_pid" || status=$?
	step_pid=
	if [ -t 2 ]; then
		printf '\r%s %d s \n' "$head" $((SECONDS - start)) >&2
	else
		printf '%s %d s\n' "$head" $((SECONDS - start)) >&2
	fi
	[ "$status" = 0 ] || die "$name failed: $(reason "$log"); log: $(shown "$log")"
}

end_step() {
	[ -z "$step_pid" ] || kill -- "-$step_pid" 2>/dev/null || true
}
trap end_step EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# done_step NAME: the same line for a step whose result is there already.
done_step() {
	LAB_STEP=$((LAB_STEP + 1))
	[ -n "${LAB_QUIET:-}" ] || printf '[%s/%s] %s ... ready\n' "$LAB_STEP" "$LAB_STEPS" "$1" >&2
}

# take_lock [NAME]: only one build at a time in a cache; whoever comes second
# waits. Lint and images, which are built elsewhere, have locks of their own.
take_lock() {
	mkdir -p "$LAB_CACHE"
	exec 8> "$LAB_CACHE/${1:-lock}"
	if ! flock -n 8; then
		say "lab: waiting for another build in $LAB_CACHE_SHOWN" >&2
		flock 8
	fi
}
drop_lock() { exec 8>&-; }

# need_space GIGABYTES WHAT
need_space() {
	local free
	free=$(df -Pk "$LAB_CACHE" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$free" -ge "$1" ] ||
		die "$2 needs $1 GB under $LAB_CACHE_SHOWN, $free GB are free; free some or set RUST_STMMAC_CACHE"
}
