// Which instruction sets this processor has. This file is compiled for any x86-64.

#include <cpuid.h>

#include "native.h"

// Uses CPUID instead of __builtin_cpu_supports(), because Zig links a version of it that recognises no processor.

static int bit(uint32_t word, int number) { return word >> number & 1; }

// Whether the operating system saves the registers of these bits of XCR0 (Intel SDM, volume 1, 13.3).
static int saves_registers(uint32_t bits) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & bits) == bits;
}

int32_t native_supported(int32_t set) {
    uint32_t a, b, c, d;
    // Leaf 1: FMA, OSXSAVE, AVX, F16C.
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 12) || !bit(c, 27) || !bit(c, 28) || !bit(c, 29)) return 0;
    // XCR0: the 16 registers of 256 bits.
    if (!saves_registers(0x6) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    switch (set) {
        case AVX2:
            return bit(b, 5);
        case AVX_VNNI:
            return bit(b, 5) && __get_cpuid_count(7, 1, &a, &b, &c, &d) && bit(a, 4);
        case AVX512_VNNI:
            // AVX-512 F, DQ, BW, VL, VNNI. XCR0: also the masks, and 32 registers of 512 bits.
            return bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31) && bit(c, 11) && saves_registers(0xe6);
        default:
            return 0;
    }
}
