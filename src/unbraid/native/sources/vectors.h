// Vectors of floats and integers. This is the only file that depends on the processor's instruction set, and the only
// one with intrinsics. It defines, for 16 or 8 lanes:
//
//   LANES               floats or 32-bit integers in a vector
//   TILE_ROWS           rows of a tile whose sums fit into the registers, with two vectors for each row
//   Floats, Integers    vectors; the operators + - * / work on Floats lane by lane
//
// The build sets one of USE_AVX512_VNNI, USE_AVX_VNNI and USE_AVX2 (see build.py).

#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define LOG2_E 1.44269504f

// Tests compile the sources with intrinsics that are written in C. All others use inline assembly for the sums of
// products, because compilers spill the sums to memory with intrinsics.
#ifdef EMULATED_INTRINSICS
#define INLINE_ASSEMBLY 0
#else
#define INLINE_ASSEMBLY 1
#endif

#ifdef USE_AVX512_VNNI

#define LANES 16
#define TILE_ROWS 12  // 24 sums, 2 vectors of weights, and 1 of activations: 27 of 32 registers

typedef __m512 Floats;
typedef __m512i Integers;

static inline Floats splat(float x) { return _mm512_set1_ps(x); }

static inline Floats load(const float* x) { return _mm512_loadu_ps(x); }

static inline void store(float* x, Floats values) { _mm512_storeu_ps(x, values); }

// Mask of the first `count` lanes, 0 to 16.
static inline __mmask16 first_lanes(int count) { return (__mmask16)((1u << count) - 1); }

// Load float16 values.
static inline Floats load_halves(const uint16_t* x) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)x)); }

// Load the first `count` lanes; the others are 0.
static inline Floats load_first(const float* x, int count) { return _mm512_maskz_loadu_ps(first_lanes(count), x); }

static inline void store_first(float* x, int count, Floats values) {
    _mm512_mask_storeu_ps(x, first_lanes(count), values);
}

// Set all but the first `count` lanes to 0.
static inline Floats keep_first(Floats x, int count) { return _mm512_maskz_mov_ps(first_lanes(count), x); }

// Saturate to int16_t.
static inline void store_int16(int16_t* out, Integers x) {
    _mm256_storeu_si256((__m256i*)out, _mm512_cvtsepi32_epi16(x));
}

static inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

// If one of them is NaN, the result is b.
static inline Floats larger(Floats a, Floats b) { return _mm512_max_ps(a, b); }

static inline Floats smaller(Floats a, Floats b) { return _mm512_min_ps(a, b); }

static inline Floats magnitude(Floats x) { return _mm512_abs_ps(x); }

static inline Floats square_root(Floats x) { return _mm512_sqrt_ps(x); }

static inline Floats round_to_whole(Floats x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// x * 2^n for whole n from -126 to 127. For -127 the result is smaller, and may be 0.
static inline Floats scale_exponent(Floats x, Floats n) { return _mm512_scalef_ps(x, n); }

// 1/x with a relative error of 2^-14.
static inline Floats estimate_reciprocal(Floats x) { return _mm512_rcp14_ps(x); }

// a where x > 0, otherwise b.
static inline Floats where_positive(Floats x, Floats a, Floats b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), b, a);
}

// x where x is NaN, otherwise y.
static inline Floats keep_nan(Floats x, Floats y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), y, x);
}

static inline float sum_of_lanes(Floats x) { return _mm512_reduce_add_ps(x); }

static inline float largest_lane(Floats x) { return _mm512_reduce_max_ps(x); }

static inline float first_lane(Floats x) { return _mm512_cvtss_f32(x); }

static inline Integers no_sum(void) { return _mm512_setzero_si512(); }

// A pair of 16-bit integers, or a float, in all lanes.
static inline Integers splat_bits(const void* x) {
    int32_t bits;
    memcpy(&bits, x, sizeof bits);
    return _mm512_set1_epi32(bits);
}

// x must be aligned to the size of a vector.
static inline Integers load_bits(const void* x) { return _mm512_load_si512(x); }

static inline Floats to_floats(Integers x) { return _mm512_cvtepi32_ps(x); }

// Round to the nearest integers.
static inline Integers to_integers(Floats x) { return _mm512_cvtps_epi32(x); }

static inline Integers add_integers(Integers a, Integers b) { return _mm512_add_epi32(a, b); }

static inline Floats as_floats(Integers x) { return _mm512_castsi512_ps(x); }

static inline Integers as_bits(Floats x) { return _mm512_castps_si512(x); }

// Add the products of pairs of 16-bit integers to 32-bit sums.
static inline Integers add_integer_products(Integers sum, Integers a, Integers b) {
#if INLINE_ASSEMBLY
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_dpwssd_epi32(sum, a, b);
#endif
}

// Add the products of floats. Sums and factors have the type of integers, so that both kinds of products share code.
static inline Integers add_float_products(Integers sum, Integers a, Integers b) {
#if INLINE_ASSEMBLY
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
#else
    return as_bits(multiply_add(as_floats(a), as_floats(b), as_floats(sum)));
#endif
}

#else  // 256 bits

#define LANES 8
#define TILE_ROWS 6  // 12 sums, 2 vectors of weights, 1 of activations, and 1 of products: 16 of 16 registers

typedef __m256 Floats;
typedef __m256i Integers;

static inline Floats splat(float x) { return _mm256_set1_ps(x); }

static inline Floats load(const float* x) { return _mm256_loadu_ps(x); }

static inline void store(float* x, Floats values) { _mm256_storeu_ps(x, values); }

// Load float16 values.
static inline Floats load_halves(const uint16_t* x) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)x)); }

// Mask of the first `count` lanes, 0 to 8.
static inline Integers first_lanes(int count) {
    static const int32_t masks[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const Integers*)(masks + LANES - count));
}

// Load the first `count` lanes; the others are 0.
static inline Floats load_first(const float* x, int count) { return _mm256_maskload_ps(x, first_lanes(count)); }

static inline void store_first(float* x, int count, Floats values) {
    if (count == LANES)  // masked stores are slow on AMD's processors up to Zen 3
        store(x, values);
    else
        _mm256_maskstore_ps(x, first_lanes(count), values);
}

// Set all but the first `count` lanes to 0.
static inline Floats keep_first(Floats x, int count) {
    return _mm256_and_ps(x, _mm256_castsi256_ps(first_lanes(count)));
}

// Saturate to int16_t.
static inline void store_int16(int16_t* out, Integers x) {
    _mm_storeu_si128((__m128i*)out, _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

static inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }

// If one of them is NaN, the result is b.
static inline Floats larger(Floats a, Floats b) { return _mm256_max_ps(a, b); }

static inline Floats smaller(Floats a, Floats b) { return _mm256_min_ps(a, b); }

static inline Floats magnitude(Floats x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

static inline Floats square_root(Floats x) { return _mm256_sqrt_ps(x); }

static inline Floats round_to_whole(Floats x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

// x * 2^n for whole n from -126 to 127. For -127 the result is smaller, and may be 0.
static inline Floats scale_exponent(Floats x, Floats n) {
    const Integers exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return x * _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

// 1/x with a relative error of 1.5 * 2^-12.
static inline Floats estimate_reciprocal(Floats x) { return _mm256_rcp_ps(x); }

// a where x > 0, otherwise b.
static inline Floats where_positive(Floats x, Floats a, Floats b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}

// x where x is NaN, otherwise y.
static inline Floats keep_nan(Floats x, Floats y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

static inline float sum_of_lanes(Floats x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(half) + _mm_cvtss_f32(_mm_movehdup_ps(half));
}

static inline float largest_lane(Floats x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ps(half, _mm_movehdup_ps(half)));
}

static inline float first_lane(Floats x) { return _mm256_cvtss_f32(x); }

static inline Integers no_sum(void) { return _mm256_setzero_si256(); }

// A pair of 16-bit integers, or a float, in all lanes.
static inline Integers splat_bits(const void* x) {
    int32_t bits;
    memcpy(&bits, x, sizeof bits);
    return _mm256_set1_epi32(bits);
}

// x must be aligned to the size of a vector.
static inline Integers load_bits(const void* x) { return _mm256_load_si256(x); }

static inline Floats to_floats(Integers x) { return _mm256_cvtepi32_ps(x); }

// Round to the nearest integers.
static inline Integers to_integers(Floats x) { return _mm256_cvtps_epi32(x); }

static inline Integers add_integers(Integers a, Integers b) { return _mm256_add_epi32(a, b); }

static inline Floats as_floats(Integers x) { return _mm256_castsi256_ps(x); }

static inline Integers as_bits(Floats x) { return _mm256_castps_si256(x); }

// Add the products of pairs of 16-bit integers to 32-bit sums.
static inline Integers add_integer_products(Integers sum, Integers a, Integers b) {
#if !INLINE_ASSEMBLY
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#elif defined USE_AVX_VNNI
    // {vex}: the other encoding needs AVX-512.
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
#else
    Integers products;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(a), "x"(b));
    return sum;
#endif
}

// Add the products of floats. Sums and factors have the type of integers, so that both kinds of products share code.
static inline Integers add_float_products(Integers sum, Integers a, Integers b) {
#if INLINE_ASSEMBLY
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return sum;
#else
    return as_bits(multiply_add(as_floats(a), as_floats(b), as_floats(sum)));
#endif
}

#endif

// half: the bits of a float16.
static inline float half_to_float(uint16_t half) { return _cvtsh_ss(half); }

// 2^x with a relative error of 2e-7, for x from -126 to 127. Smaller results are inexact. Taylor series of 2^f for f
// in [-1/2, 1/2].
static inline Floats power_of_two(Floats x) {
    x = larger(splat(-127.0f), x);
    const Floats whole = round_to_whole(x), f = x - whole;
    Floats sum = splat(1.54035304e-4f);  // ln(2)^k / k! for k = 6 to 0
    sum = multiply_add(sum, f, splat(1.33335581e-3f));
    sum = multiply_add(sum, f, splat(9.61812911e-3f));
    sum = multiply_add(sum, f, splat(5.55041087e-2f));
    sum = multiply_add(sum, f, splat(2.40226507e-1f));
    sum = multiply_add(sum, f, splat(6.93147181e-1f));
    sum = multiply_add(sum, f, splat(1.0f));
    return scale_exponent(sum, whole);
}

// 2^x with a relative error of 3e-6, for results of 15 bits. The polynomial has the smallest error of its degree.
static inline Floats coarse_power_of_two(Floats x) {
    x = larger(splat(-127.0f), x);
    const Floats whole = round_to_whole(x), f = x - whole;
    Floats sum = splat(0.0095701017f);
    sum = multiply_add(sum, f, splat(0.0559178603f));
    sum = multiply_add(sum, f, splat(0.240247448f));
    sum = multiply_add(sum, f, splat(0.693121815f));
    sum = multiply_add(sum, f, splat(0.999999261f));
    return scale_exponent(sum, whole);
}

// 1/x: one Newton step from the processor's estimate.
static inline Floats reciprocal(Floats x) {
    const Floats estimate = estimate_reciprocal(x);
    return estimate * (splat(2.0f) - x * estimate);
}

static inline Floats sigmoid(Floats x) {
    // Clamped, as Newton's step turns 1/infinity into NaN. This order of operands propagates NaN.
    x = larger(splat(-80.0f), smaller(splat(80.0f), x));
    return reciprocal(power_of_two(x * splat(-LOG2_E)) + splat(1.0f));
}

// The error is at most 1e-6, and that of sigmoid relative to results close to 1.
static inline Floats hyperbolic_tangent(Floats x) { return multiply_add(splat(2.0f), sigmoid(x + x), splat(-1.0f)); }

// x * P(X < x) for a standard normal X. Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26; the
// error of erf is at most 1.5e-7.
static inline Floats gelu(Floats x) {
    const Floats z = magnitude(x) * splat(0.707106781f);
    const Floats t = reciprocal(multiply_add(z, splat(0.3275911f), splat(1.0f)));
    Floats sum = splat(1.061405429f);
    sum = multiply_add(sum, t, splat(-1.453152027f));
    sum = multiply_add(sum, t, splat(1.421413741f));
    sum = multiply_add(sum, t, splat(-0.284496736f));
    sum = multiply_add(sum, t, splat(0.254829592f));
    // P(X > |x|). For positive x, P(X < x) is 1 - tail.
    const Floats tail = sum * t * power_of_two(z * z * splat(-LOG2_E)) * splat(0.5f);
    return x * where_positive(x, splat(1.0f) - tail, tail);
}
