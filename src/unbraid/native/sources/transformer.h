// The transformer in the middle of HTDemucs, which lets spectrogram and waveform see each other: Rouard, Massa,
// Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553). Each branch is a sequence of
// tokens, (tokens, width); even layers attend to their own branch, odd ones to the other.

#pragma once

#include "attention.h"
#include "builder.h"

#define LAYERS 5
#define TOKENS 96  // worked on at once

typedef struct {
    const float *gains, *offsets;
} Norm;

typedef struct {
    Norm seen, others, before;  // of what asks, of what is asked, and of what is fed forward
    Matrix queries, keys_values, mix, widen, narrow;
    Norm whole;
} Layer;

typedef struct {
    int width;
    Norm before;
    Layer layers[LAYERS];
} Tower;

typedef struct {
    Tower spectral, waveform;
} Transformer;

Transformer make_transformer(Builder* builder, int width);

// x: (frames, frequencies, width); waveform: (length, width). In place.
void transform(const Transformer* transformer, float* x, int frames, int frequencies, float* waveform, int length,
               Team* team);
