// Balance a normalisation with the matrix that reads it, so that integers have smaller rounding errors.

#pragma once

#include <stdint.h>

#include "names.h"

// Multiply the gains and offsets (NULL: none) of a normalisation, both (width), by powers of two, and set
// `input_gains` to their reciprocals, for the weights (rows, width) of the matrices that read it. The products stay
// the same. width is at most MAX_WIDTH.
void balance_channels(float* gains, float* offsets, const uint16_t* weights, int rows, int width, float* input_gains);
