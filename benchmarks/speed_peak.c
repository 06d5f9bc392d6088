// Measure the peak rate of one core for two instructions: sums of pairs of 16-bit integer products (VNNI's vpdpwssd),
// and fused multiply-add of floats (vfmadd231ps). A multiplication and an addition count as two operations. Prints
// both rates in G operations a second. See speed_peak.py.

#include <stdio.h>
#include <time.h>

#define STEPS 50000  // between two readings of the clock
#define SECONDS 0.4

// Sixteen independent sums. Registers are named, because compilers would keep the sums in memory.
#define EACH(I) I(0) I(1) I(2) I(3) I(4) I(5) I(6) I(7) I(8) I(9) I(10) I(11) I(12) I(13) I(14) I(15)
#define SUMS 16
#define ZERO(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
#define INTEGERS(n) "vpdpwssd %%zmm16, %%zmm16, %%zmm" #n "\n"
#define FLOATS(n) "vfmadd231ps %%zmm16, %%zmm16, %%zmm" #n "\n"
#define CHANGED                                                                                                \
    "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10", "zmm11", "zmm12", \
        "zmm13", "zmm14", "zmm15", "zmm16"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

#define MEASURE(instruction, operations)                                                    \
    {                                                                                       \
        const double end = now() + SECONDS;                                                 \
        double shortest = SECONDS;                                                          \
        for (double started = now(); started < end; started = now()) {                      \
            __asm__ volatile(EACH(ZERO) ZERO(16)::: CHANGED);                               \
            for (int i = 0; i < STEPS; i++) __asm__ volatile(EACH(instruction)::: CHANGED); \
            const double taken = now() - started;                                           \
            if (taken < shortest) shortest = taken;                                         \
        }                                                                                   \
        printf("%.1f\n", 1e-9 * (operations) * SUMS * STEPS / shortest);                    \
    }

int main(void) {
    MEASURE(INTEGERS, 64)
    MEASURE(FLOATS, 32)
    return 0;
}
