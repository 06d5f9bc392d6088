// The cross-domain transformer of HTDemucs, between the spectrogram and the waveform branch: Rouard, Massa, Défossez,
// "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553). Each branch is a sequence of tokens, (tokens,
// width). Even layers attend to their own branch, odd layers to the other one.

#pragma once

#include "attention.h"
#include "builder.h"

#define LAYERS 5
#define TOKEN_BLOCK 96  // tokens in a task

typedef struct {
    const float *gains, *offsets;
} Norm;

typedef struct {
    Norm query_norm, key_norm, feed_norm;
    Matrix queries, keys_values, output, expand, contract;
    Norm output_norm;
} Layer;

typedef struct {
    int width;
    Norm input_norm;
    Layer layers[LAYERS];
} LayerStack;

typedef struct {
    LayerStack spectral, waveform;
} Transformer;

Transformer make_transformer(Builder* builder, int width);

// x: (frames, frequencies, width); waveform: (length, width). Both are changed in place.
void transform(const Transformer* transformer, float* x, int frames, int frequencies, float* waveform, int length,
               ThreadPool* pool);
