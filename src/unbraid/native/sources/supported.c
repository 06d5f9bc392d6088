// The only file that is compiled for any x86-64: whether the others may be called on this processor.

#include <cpuid.h>

#include "native.h"

// Not __builtin_cpu_supports(): what Zig links for it knows of no processor.

static int bit(uint32_t word, int number) { return word >> number & 1; }

// Whether the operating system keeps all of the 32 wide registers and their masks.
static int registers_are_kept(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 0xe6) == 0xe6;
}

int native_version(void) { return NATIVE_VERSION; }

int native_supported(void) {
    uint32_t a, b, c, d;
    // FMA, OSXSAVE, F16C
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 12) || !bit(c, 27) || !bit(c, 29)) return 0;
    if (!registers_are_kept() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    // AVX-512 F, DQ, BW, VL, VNNI
    return bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 11);
}
