// Layers of an MDX-Net other than its convolutions of 3 x 3. Activations are (frames, bins, channels).

#pragma once

#include <stddef.h>

#include "names.h"
#include "thread_pool.h"

// A convolution of 2 x 2 with stride 2, or a transposed one.
typedef struct {
    const float* weights;  // (panels, depth, channels of a panel)
    const float* offsets;  // (outputs)
    int inputs, outputs;   // channels, multiples of LANES
} Resampling;

// Pack weights (outputs, inputs, 2, 2): 4 * inputs * outputs floats.
void pack_down(const float* weights, int inputs, int outputs, float* packed);

// Pack weights (inputs, outputs, 2, 2): 4 * inputs * outputs floats.
void pack_up(const float* weights, int inputs, int outputs, float* packed);

// x (frames, bins, inputs) -> max(0, convolution + offsets): (frames / 2, bins / 2, outputs).
void downsample(const Resampling* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool);

// x (frames, bins, inputs) -> max(0, transposed convolution + offsets), by which `out` is multiplied: (2 * frames,
// 2 * bins, outputs).
void upsample(const Resampling* layer, const float* x, int frames, int bins, float* out, ThreadPool* pool);

// Two products over the bins of a frame, to `narrow` bins and back. All channels have the same weights; each has a
// gain and an offset.
typedef struct {
    const float *narrowing, *widening;  // packed by pack_bins
    const float *gains[2], *offsets[2];
    int bins, narrow, channels;
} BinLayers;

// Floats that pack_bins writes.
size_t packed_bins(int inputs, int outputs);

// Pack weights (inputs, outputs).
void pack_bins(const float* weights, int inputs, int outputs, float* packed);

// Bytes of scratch memory that each thread needs.
size_t bin_layers_scratch(int narrow, int channels);

// Add to x (frames, bins, channels) the result of both products: max(0, gain * product + offset) each.
void add_bin_layers(const BinLayers* layers, float* x, int frames, ThreadPool* pool);

#define PARTS 4  // real and imaginary parts of two channels

// The layers between spectra and activations, convolutions of 1 x 1. Spectra are (2, all_bins, frames, 2): channels,
// and real and imaginary parts.
typedef struct {
    const float* weights;  // (PARTS, channels)
    const float* offsets;  // of the layer's outputs
    int channels, all_bins, frames;
    int first_bin;  // bins below are zero for the network
    int bins;       // of the network's input and output
} SpectrumLayer;

// Spectrum -> max(0, product + offsets): (frames, bins, channels).
void read_spectrum(const SpectrumLayer* layer, const float* spectrum, float* out, ThreadPool* pool);

// x (frames, bins, channels) -> product + offsets: a spectrum, whose bins above the network's are zero.
void write_spectrum(const SpectrumLayer* layer, const float* x, float* spectrum, ThreadPool* pool);
