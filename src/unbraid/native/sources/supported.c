// Whether this processor can run the library. This is the only file that is compiled for any x86-64.

#include <cpuid.h>

#include "native.h"

// Uses CPUID instead of __builtin_cpu_supports(), because Zig links a version of it that recognises no processor.

static int bit(uint32_t word, int number) { return word >> number & 1; }

// Whether the operating system saves the 32 AVX-512 registers and their masks (Intel SDM, XCR0 bits 1, 2, 5, 6, 7).
static int saves_registers(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 0xe6) == 0xe6;
}

int native_version(void) { return NATIVE_VERSION; }

int native_supported(void) {
    uint32_t a, b, c, d;
    // Leaf 1: FMA, OSXSAVE, F16C.
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 12) || !bit(c, 27) || !bit(c, 29)) return 0;
    if (!saves_registers() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    // Leaf 7: AVX-512 F, DQ, BW, VL, VNNI.
    return bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 11);
}
