// The residual branches of Demucs (`DConv` in the papers). A convolution over time reduces the channels to a few
// (narrow); after normalisation and GELU, a convolution of width 1 expands them to twice the channels (wide), which
// are normalised, gated and added to the input.
//
// Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.2.

#pragma once

#include "builder.h"
#include "thread_pool.h"

#define BRANCHES 2
#define MAX_DILATION BRANCHES  // branch k has the dilation k + 1
#define MAX_CHANNELS 384
#define MAX_NARROW (MAX_CHANNELS / 8)

typedef struct {
    int channels, narrow;
    Matrix down, up;
    const float *down_gains, *down_offsets;  // of the first normalisation, (narrow)
    // Gains and offsets of the second normalisation, multiplied with the layer's scale, in the packed order of `up`:
    // (2 channels).
    const float *up_gains, *up_offsets;
    const float* gram;  // Gram matrix of the weights of `up`, (narrow, narrow padded)
} Branch;

typedef struct {
    Branch branches[BRANCHES];
} Residual;

// `floats`: compute with floats instead of integers.
Residual make_residual(Builder* builder, const char* prefix, int channels, bool floats);

// Memory of add_residual for `count` rows.
typedef struct {
    int16_t* integers;  // quantised rows, with MAX_DILATION rows of zeros on either side; NULL with floats
    float* gains;       // gain of each row of `integers`
    float* narrow;      // narrow rows, (count, narrow padded)
    double (*sums)[MAX_NARROW];
} ResidualMemory;

ResidualMemory residual_memory(Arena* arena, const Residual* residual, int count);

// Add both branches to `count` rows of x, `stride` floats apart. If they compute with floats, x must lie
// between MAX_DILATION rows of zeros on either side. Without a pool (NULL) the calling thread does all work.
void add_residual(const Residual* residual, float* x, ptrdiff_t stride, int count, Arena* arena, ThreadPool* pool);
