// SPDX-License-Identifier: GPL-2.0
// Prints the frequency of this CPU's time stamp counter in kHz. Under TCG it is
// the guest's too, but a guest on a busy host measures it wrong and its clock
// then runs too fast or too slow.
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct point {
	uint64_t tsc, ns;
};

// Of several readings the one that was disturbed least.
static struct point now(void)
{
	struct point best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 50; i++) {
		struct timespec ts;
		uint64_t before = __rdtsc(), after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
		after = __rdtsc();
		if (after - before < least) {
			least = after - before;
			best.tsc = before + least / 2;
			best.ns = ts.tv_sec * 1000000000ull + ts.tv_nsec;
		}
	}
	return best;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 300000000 };
	struct point a = now(), b;

	nanosleep(&pause, NULL);
	b = now();
	printf("%.0f\n", (double)(b.tsc - a.tsc) * 1e6 / (double)(b.ns - a.ns));
	return 0;
}
