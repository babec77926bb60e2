# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make run: two ports wired together in a guest, traffic between them, a shell.

scene() {
	guest_parse "$@"
	[ ${#guest_args[@]} = 0 ] || die "run takes no command; use lab/lab guest -- COMMAND"
	[ ! -t 0 ] || interactive=1
	trap 'guest_end; end_step' EXIT
	guest_build
	say "lab: booting the guest with the $DRIVER driver" >&2
	guest_run /src/lab/guest/scene
	exit "$guest_status"
}
