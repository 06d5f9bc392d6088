// Functions on sixteen floats at once.

#pragma once

#include <immintrin.h>

#define LANES 16

typedef __m512 Floats;

static inline Floats all(float x) { return _mm512_set1_ps(x); }

static inline Floats load(const float* x) { return _mm512_loadu_ps(x); }

static inline void store(float* x, Floats values) { _mm512_storeu_ps(x, values); }

// The first `count` lanes; count in 0..16.
static inline __mmask16 first(int count) { return (__mmask16)((1u << count) - 1); }

// 2^x, to 2e-7 of it; 0 below the smallest float. Taylor's series of 2^f around 0 for f in [-1/2, 1/2].
static inline Floats power_of_two(Floats x) {
    Floats whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Floats f = _mm512_sub_ps(x, whole);
    Floats sum = all(1.54035304e-4f);  // ln(2)^k / k!, k from 6 to 0
    sum = _mm512_fmadd_ps(sum, f, all(1.33335581e-3f));
    sum = _mm512_fmadd_ps(sum, f, all(9.61812911e-3f));
    sum = _mm512_fmadd_ps(sum, f, all(5.55041087e-2f));
    sum = _mm512_fmadd_ps(sum, f, all(2.40226507e-1f));
    sum = _mm512_fmadd_ps(sum, f, all(6.93147181e-1f));
    sum = _mm512_fmadd_ps(sum, f, all(1.0f));
    return _mm512_scalef_ps(sum, whole);
}

// 1/x, by a step of Newton's from the processor's estimate.
static inline Floats inverse(Floats x) {
    Floats estimate = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(x, estimate, all(2.0f)));
}

static inline Floats sigmoid(Floats x) {
    // Limited, as an infinite power has no inverse for Newton's step. In this order, what is no number stays.
    x = _mm512_max_ps(all(-80.0f), _mm512_min_ps(all(80.0f), x));
    return inverse(_mm512_add_ps(power_of_two(_mm512_mul_ps(x, all(-1.44269504f))), all(1.0f)));
}

// x times the probability that a normal variable is below x. The error function is that of Abramowitz and Stegun,
// "Handbook of Mathematical Functions", 7.1.26, which is off by at most 1.5e-7.
static inline Floats gelu(Floats x) {
    Floats z = _mm512_mul_ps(_mm512_abs_ps(x), all(0.707106781f));
    Floats t = inverse(_mm512_fmadd_ps(z, all(0.3275911f), all(1.0f)));
    Floats sum = all(1.061405429f);
    sum = _mm512_fmadd_ps(sum, t, all(-1.453152027f));
    sum = _mm512_fmadd_ps(sum, t, all(1.421413741f));
    sum = _mm512_fmadd_ps(sum, t, all(-0.284496736f));
    sum = _mm512_fmadd_ps(sum, t, all(0.254829592f));
    Floats beyond = power_of_two(_mm512_mul_ps(_mm512_mul_ps(z, z), all(-1.44269504f)));
    beyond = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(sum, t), beyond), all(0.5f));
    // What lies beyond |x|, on one side: for positive x it is what is missing.
    __mmask16 positive = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mul_ps(x, _mm512_mask_sub_ps(beyond, positive, all(1.0f), beyond));
}
