// The integers of a row share one scale, so a channel with large weights would leave few bits to the others. The
// rounding errors grow with the product of the norms of activations and weights. Factors of sqrt(weight / activation)
// minimise it (Cauchy-Schwarz), where a weight is the root mean square of a channel, and an activation too: the
// normalisation makes it about sqrt(gain^2 + offset^2).

#include "balance.h"

#include <math.h>

#include "native.h"
#include "vectors.h"

#define MAX_EXPONENT 16.0f  // of a factor

void balance_channels(float* gains, float* offsets, const uint16_t* weights, int rows, int width,
                      float* input_gains) {
    float squares[MAX_WIDTH] = {0}, exponents[MAX_WIDTH], sum = 0;
    int finite = 0;
    for (int n = 0; n < rows; n++)
        for (int i = 0; i < width; i++) {
            const float weight = half_to_float(weights[(size_t)n * width + i]);
            squares[i] += weight * weight;
        }
    for (int i = 0; i < width; i++) {
        const float gain = gains[i], offset = offsets ? offsets[i] : 0;
        exponents[i] = 0.25f * (log2f(squares[i] / (float)rows) - log2f(gain * gain + offset * offset));
        if (isfinite(exponents[i])) sum += exponents[i], finite++;
    }
    // Only ratios matter. Relative to the mean, channels of ordinary weights have a factor of 1.
    const float mean = finite ? sum / (float)finite : 0;
    for (int i = 0; i < width; i++) {
        const float exponent = fmaxf(-MAX_EXPONENT, fminf(MAX_EXPONENT, roundf(exponents[i] - mean)));
        const float factor = exp2f(isnan(exponents[i]) ? 0 : exponent);
        gains[i] *= factor;
        if (offsets) offsets[i] *= factor;
        input_gains[i] = 1 / factor;
    }
}
