// SPDX-License-Identifier: GPL-2.0

#include <linux/math64.h>
#include <linux/ptp_clock_kernel.h>

__rust_helper void
rust_helper_ptp_read_system_prets(struct ptp_system_timestamp *sts)
{
	ptp_read_system_prets(sts);
}

__rust_helper void
rust_helper_ptp_read_system_postts(struct ptp_system_timestamp *sts)
{
	ptp_read_system_postts(sts);
}

__rust_helper u64 rust_helper_mul_u64_u64_div_u64(u64 a, u64 b, u64 div)
{
	return mul_u64_u64_div_u64(a, b, div);
}
