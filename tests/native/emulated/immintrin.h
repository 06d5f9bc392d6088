// The intrinsics that vectors.h uses, in plain C, lane by lane: tests run the sources of every width on any
// processor. Products and sums of floats are rounded separately, so results differ a little from fused ones.

#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES_OF(type, size) __attribute__((vector_size(size), aligned(size), may_alias)) type
typedef LANES_OF(float, 16) __m128;
typedef LANES_OF(int32_t, 16) __m128i;
typedef LANES_OF(float, 32) __m256;
typedef LANES_OF(int32_t, 32) __m256i;
typedef LANES_OF(float, 64) __m512;
typedef LANES_OF(int32_t, 64) __m512i;
typedef uint16_t __mmask16;

#define _MM_FROUND_TO_NEAREST_INT 0
#define _MM_FROUND_NO_EXC 8
#define _CMP_UNORD_Q 3
#define _CMP_GT_OQ 30

// Integers that the processor can't represent become INT32_MIN.
static inline int32_t lane_to_int(float x) { return fabsf(x) < 2147483648.0f ? (int32_t)lrintf(x) : INT32_MIN; }

static inline float lane_to_whole(float x) { return fabsf(x) < 8388608.0f ? (float)lrintf(x) : x; }

static inline int32_t lane_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float lane_of_bits(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// 1/x without the last `bits` bits of the mantissa.
static inline float lane_reciprocal(float x, int bits) { return lane_of_bits(lane_bits(1 / x) & -(1 << bits)); }

static inline int lane_compare(float a, float b, int how) { return how == _CMP_GT_OQ ? a > b : a != a || b != b; }

static inline int16_t lane_saturate(int32_t x) { return (int16_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x); }

static inline int32_t lane_products(int32_t a, int32_t b) {
    int16_t x[2], y[2];
    memcpy(x, &a, sizeof x), memcpy(y, &b, sizeof y);
    return (int32_t)((uint32_t)(x[0] * y[0]) + (uint32_t)(x[1] * y[1]));
}

static inline float _cvtsh_ss(uint16_t half) {
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    float x = exponent ? ldexpf((float)(1024 + mantissa), exponent - 25) : ldexpf((float)mantissa, -24);
    if (exponent == 31) x = mantissa ? NAN : INFINITY;
    return half & 0x8000 ? -x : x;
}

#define EACH(type, name, parameters, lane)                             \
    static inline type name parameters {                               \
        type out;                                                      \
        for (int i = 0; i < (int)(sizeof out / 4); i++) out[i] = lane; \
        return out;                                                    \
    }
#define SET(type, name, parameters, result) \
    static inline type name parameters { return result; }

// Both widths: `f` and `w` are the types of floats and of integers, `p` the prefix of names, `s` their suffix.
#define BOTH(f, w, p, s)                                                           \
    EACH(f, p##_set1_ps, (float x), x)                                             \
    EACH(f, p##_setzero_ps, (void), 0)                                             \
    EACH(w, p##_set1_epi32, (int32_t x), x)                                        \
    EACH(w, p##_setzero_##s, (void), 0)                                            \
    EACH(f, p##_loadu_ps, (const float* x), x[i])                                  \
    static inline void p##_storeu_ps(float* x, f a) { memcpy(x, &a, sizeof a); }   \
    EACH(f, p##_fmadd_ps, (f a, f b, f c), a[i] * b[i] + c[i])                     \
    EACH(f, p##_max_ps, (f a, f b), a[i] > b[i] ? a[i] : b[i])                     \
    EACH(f, p##_min_ps, (f a, f b), a[i] < b[i] ? a[i] : b[i])                     \
    EACH(f, p##_sqrt_ps, (f a), sqrtf(a[i]))                                       \
    EACH(w, p##_cvtps_epi32, (f a), lane_to_int(a[i]))                             \
    EACH(f, p##_cvtepi32_ps, (w a), (float)a[i])                                   \
    EACH(f, p##_cast##s##_ps, (w a), lane_of_bits(a[i]))                           \
    EACH(w, p##_castps_##s, (f a), lane_bits(a[i]))                                \
    EACH(w, p##_add_epi32, (w a, w b), (int32_t)((uint32_t)a[i] + (uint32_t)b[i])) \
    SET(float, p##_cvtss_f32, (f a), a[0])                                         \
    static inline w p##_load_##s(const void* x) { return *(const w*)x; }

BOTH(__m256, __m256i, _mm256, si256)
BOTH(__m512, __m512i, _mm512, si512)

EACH(__m256, _mm256_maskload_ps, (const float* x, __m256i mask), mask[i] < 0 ? x[i] : 0)
EACH(__m256, _mm256_and_ps, (__m256 a, __m256 b), lane_of_bits(lane_bits(a[i]) & lane_bits(b[i])))
EACH(__m256, _mm256_andnot_ps, (__m256 a, __m256 b), lane_of_bits(~lane_bits(a[i]) & lane_bits(b[i])))
EACH(__m256, _mm256_round_ps, (__m256 a, int how), how == 8 ? lane_to_whole(a[i]) : NAN)
EACH(__m256, _mm256_rcp_ps, (__m256 a), lane_reciprocal(a[i], 11))
EACH(__m256, _mm256_blendv_ps, (__m256 a, __m256 b, __m256 mask), signbit(mask[i]) ? b[i] : a[i])
EACH(__m256, _mm256_cmp_ps, (__m256 a, __m256 b, int how), lane_of_bits(-lane_compare(a[i], b[i], how)))
EACH(__m256i, _mm256_slli_epi32, (__m256i a, int count), (int32_t)((uint32_t)a[i] << count))
EACH(__m256i, _mm256_madd_epi16, (__m256i a, __m256i b), lane_products(a[i], b[i]))
EACH(__m128i, _mm256_castsi256_si128, (__m256i a), a[i])
EACH(__m128i, _mm256_extracti128_si256, (__m256i a, int half), a[i + 4 * half])
EACH(__m128, _mm256_castps256_ps128, (__m256 a), a[i])
EACH(__m128, _mm256_extractf128_ps, (__m256 a, int half), a[i + 4 * half])
EACH(__m128, _mm_add_ps, (__m128 a, __m128 b), a[i] + b[i])
EACH(__m128, _mm_max_ps, (__m128 a, __m128 b), a[i] > b[i] ? a[i] : b[i])
EACH(__m128, _mm_movehl_ps, (__m128 a, __m128 b), i < 2 ? b[i + 2] : a[i])
EACH(__m128, _mm_movehdup_ps, (__m128 a), a[i | 1])
SET(float, _mm_cvtss_f32, (__m128 a), a[0])
EACH(__m512, _mm512_maskz_loadu_ps, (__mmask16 mask, const float* x), mask >> i & 1 ? x[i] : 0)
EACH(__m512, _mm512_maskz_mov_ps, (__mmask16 mask, __m512 a), mask >> i & 1 ? a[i] : 0)
EACH(__m512, _mm512_mask_blend_ps, (__mmask16 mask, __m512 a, __m512 b), mask >> i & 1 ? b[i] : a[i])
EACH(__m512, _mm512_abs_ps, (__m512 a), fabsf(a[i]))
EACH(__m512, _mm512_roundscale_ps, (__m512 a, int how), how == 8 ? lane_to_whole(a[i]) : NAN)
EACH(__m512, _mm512_scalef_ps, (__m512 a, __m512 n), ldexpf(a[i], lane_to_int(n[i])))
EACH(__m512, _mm512_rcp14_ps, (__m512 a), lane_reciprocal(a[i], 9))
EACH(__m512i, _mm512_dpwssd_epi32, (__m512i sum, __m512i a, __m512i b),
     (int32_t)((uint32_t)sum[i] + (uint32_t)lane_products(a[i], b[i])))

static inline __m128i _mm_loadu_si128(const __m128i* x) {
    __m128i out;
    memcpy(&out, x, sizeof out);
    return out;
}

static inline __m256 _mm256_cvtph_ps(__m128i halves) {
    uint16_t lanes[8];
    memcpy(lanes, &halves, sizeof lanes);
    __m256 out;
    for (int i = 0; i < 8; i++) out[i] = _cvtsh_ss(lanes[i]);
    return out;
}

static inline __m512 _mm512_cvtph_ps(__m256i halves) {
    uint16_t lanes[16];
    memcpy(lanes, &halves, sizeof lanes);
    __m512 out;
    for (int i = 0; i < 16; i++) out[i] = _cvtsh_ss(lanes[i]);
    return out;
}

static inline __m256i _mm256_loadu_si256(const __m256i* x) {
    __m256i out;
    memcpy(&out, x, sizeof out);
    return out;
}

static inline void _mm256_storeu_si256(__m256i* x, __m256i a) { memcpy(x, &a, sizeof a); }

static inline void _mm_storeu_si128(__m128i* x, __m128i a) { memcpy(x, &a, sizeof a); }

static inline void _mm256_maskstore_ps(float* x, __m256i mask, __m256 a) {
    for (int i = 0; i < 8; i++)
        if (mask[i] < 0) x[i] = a[i];
}

static inline void _mm512_mask_storeu_ps(float* x, __mmask16 mask, __m512 a) {
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) x[i] = a[i];
}

static inline __m128i _mm_packs_epi32(__m128i a, __m128i b) {
    int16_t lanes[8];
    for (int i = 0; i < 4; i++) lanes[i] = lane_saturate(a[i]), lanes[i + 4] = lane_saturate(b[i]);
    __m128i out;
    memcpy(&out, lanes, sizeof out);
    return out;
}

static inline __m256i _mm512_cvtsepi32_epi16(__m512i a) {
    int16_t lanes[16];
    for (int i = 0; i < 16; i++) lanes[i] = lane_saturate(a[i]);
    __m256i out;
    memcpy(&out, lanes, sizeof out);
    return out;
}

static inline __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int how) {
    unsigned mask = 0;
    for (int i = 0; i < 16; i++) mask |= (unsigned)lane_compare(a[i], b[i], how) << i;
    return (__mmask16)mask;
}

static inline float _mm512_reduce_add_ps(__m512 a) {
    float sum = 0;
    for (int i = 0; i < 16; i++) sum += a[i];
    return sum;
}

static inline float _mm512_reduce_max_ps(__m512 a) {
    float largest = a[0];
    for (int i = 1; i < 16; i++) largest = largest > a[i] ? largest : a[i];
    return largest;
}
