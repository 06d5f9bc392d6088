// Convolutions of 3 x 3 with padding 1 by Winograd's algorithm F(4 x 4, 3 x 3): 36 products instead of 144 for each
// tile of 4 x 4 outputs and pair of channels.
//
// Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308). The polynomials are evaluated
// at 0, +-1/sqrt(2), +-sqrt(2) and infinity, which has smaller rounding errors than 0, +-1, +-2 and infinity.

#pragma once

#include <stddef.h>

#include "names.h"
#include "thread_pool.h"

#define TILE_SIZE 4  // frames and bins of a tile

typedef struct {
    const float* weights;  // transformed: (panels, 36, inputs, channels of a panel)
    const float* offsets;  // (outputs)
    int inputs, outputs;   // channels, multiples of LANES
} Winograd;

// Floats of the transformed weights.
size_t winograd_floats(int inputs, int outputs);

// Transform weights (outputs, inputs, 3, 3).
void pack_winograd(const float* weights, int inputs, int outputs, float* packed);

// Bytes of scratch memory that each thread needs.
size_t winograd_scratch(int inputs, int outputs);

// x (frames, bins, inputs) -> max(0, convolution + offsets): (frames, bins, outputs). Frames and bins are multiples
// of TILE_SIZE. x and out must not overlap.
void convolve(const Winograd* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool);
