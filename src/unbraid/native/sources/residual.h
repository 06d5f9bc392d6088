// The residual branches of Demucs (`DConv` in the papers): from many channels to a few by a convolution over time,
// normalised, and back by one of width 1, normalised and gated; added to what went in.
//
// Défossez, "Hybrid Spectrogram and Waveform Source Separation" (arXiv 2111.03600), section 3.2.

#pragma once

#include "builder.h"
#include "team.h"

#define DILATIONS 2
#define MOST_CHANNELS 384
#define MOST_NARROW 48

typedef struct {
    int channels, narrow;
    Matrix down, up;
    const float *down_gains, *down_offsets;  // of the normalisation, (narrow)
    // Of the second normalisation, in the packed order of `up`, with the layer's scale: (2 channels)
    const float *up_gains, *up_offsets;
    const float* gram;  // of the weights of `up`, (narrow, narrow padded)
} Branch;

typedef struct {
    Branch branches[DILATIONS];
} Residual;

// `floats`: computed with floats alone.
Residual make_residual(Builder* builder, const char* prefix, int channels, bool floats);

// Add both branches to `count` rows of x, `stride` floats apart; where they are computed with floats, DILATIONS rows
// of zeros have to lie on either side. `team`: who shares the work; NULL: nobody.
void add_residual(const Residual* residual, float* x, ptrdiff_t stride, int count, Room* room, Team* team);
