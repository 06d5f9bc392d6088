// Functions on vectors of 16 floats.

#pragma once

#include <immintrin.h>

#define LANES 16
#define LOG2_E 1.44269504f

typedef __m512 Floats;

static inline Floats splat(float x) { return _mm512_set1_ps(x); }

static inline Floats load(const float* x) { return _mm512_loadu_ps(x); }

static inline void store(float* x, Floats values) { _mm512_storeu_ps(x, values); }

// Mask of the first `count` lanes, 0 to 16.
static inline __mmask16 first_lanes(int count) { return (__mmask16)((1u << count) - 1); }

// 2^x with a relative error of 2e-7; 0 below the smallest float. Taylor series of 2^f for f in [-1/2, 1/2].
static inline Floats power_of_two(Floats x) {
    Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Floats f = _mm512_sub_ps(x, whole);
    Floats sum = splat(1.54035304e-4f);  // ln(2)^k / k! for k = 6 to 0
    sum = _mm512_fmadd_ps(sum, f, splat(1.33335581e-3f));
    sum = _mm512_fmadd_ps(sum, f, splat(9.61812911e-3f));
    sum = _mm512_fmadd_ps(sum, f, splat(5.55041087e-2f));
    sum = _mm512_fmadd_ps(sum, f, splat(2.40226507e-1f));
    sum = _mm512_fmadd_ps(sum, f, splat(6.93147181e-1f));
    sum = _mm512_fmadd_ps(sum, f, splat(1.0f));
    return _mm512_scalef_ps(sum, whole);
}

// 1/x: one Newton step from the processor's estimate.
static inline Floats reciprocal(Floats x) {
    Floats estimate = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(x, estimate, splat(2.0f)));
}

static inline Floats sigmoid(Floats x) {
    // Clamped, as Newton's step turns 1/infinity into NaN. This order of min and max propagates NaN.
    x = _mm512_max_ps(splat(-80.0f), _mm512_min_ps(splat(80.0f), x));
    return reciprocal(_mm512_add_ps(power_of_two(_mm512_mul_ps(x, splat(-LOG2_E))), splat(1.0f)));
}

// x * P(X < x) for a standard normal X. Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26; the
// error of erf is at most 1.5e-7.
static inline Floats gelu(Floats x) {
    Floats z = _mm512_mul_ps(_mm512_abs_ps(x), splat(0.707106781f));
    Floats t = reciprocal(_mm512_fmadd_ps(z, splat(0.3275911f), splat(1.0f)));
    Floats sum = splat(1.061405429f);
    sum = _mm512_fmadd_ps(sum, t, splat(-1.453152027f));
    sum = _mm512_fmadd_ps(sum, t, splat(1.421413741f));
    sum = _mm512_fmadd_ps(sum, t, splat(-0.284496736f));
    sum = _mm512_fmadd_ps(sum, t, splat(0.254829592f));
    Floats tail = power_of_two(_mm512_mul_ps(_mm512_mul_ps(z, z), splat(-LOG2_E)));
    tail = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(sum, t), tail), splat(0.5f));
    // `tail` is P(X > |x|): for positive x, P(X < x) is 1 - tail.
    __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mul_ps(x, _mm512_mask_sub_ps(tail, positive, splat(1.0f), tail));
}
