// Layers of MDX-Net, callable from tests: on arrays, and with memory of their own. Memory is allocated exactly, so
// that a sanitizer sees access beyond it.

#include <stdlib.h>
#include <string.h>

#include "mdx_layers.h"
#include "winograd.h"

#define EXPORTED(function) __attribute__((visibility("default"))) NAME(function)

static float* allocate(size_t count) { return aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64); }

static float* copy_of(const float* values, size_t count) {
    float* copy = allocate(count);
    memcpy(copy, values, count * sizeof *copy);
    return copy;
}

// One thread with this scratch memory.
static ThreadPool pool_with(void* scratch) {
    return (ThreadPool){.arena = {.memory = scratch}, .scratch = {{.memory = scratch}}, .threads = 1};
}

void EXPORTED(test_convolve)(const float* weights, const float* offsets, int inputs, int outputs, const float* x,
                             int frames, int bins, float* out) {
    float *packed = allocate(winograd_floats(inputs, outputs)), *scratch = malloc(winograd_scratch(inputs, outputs));
    pack_winograd(weights, inputs, outputs, packed);
    ThreadPool pool = pool_with(scratch);
    convolve(&(Winograd){packed, offsets, inputs, outputs}, x, frames, bins, out, &pool);
    free(packed), free(scratch);
}

// From level to level: x (frames, bins, inputs). Upwards, `out` has the values that are multiplied.
void EXPORTED(test_resample)(bool up, const float* weights, const float* offsets, int inputs, int outputs,
                             const float* x, int frames, int bins, float* out) {
    float* packed = allocate((size_t)4 * inputs * outputs);
    (up ? pack_up : pack_down)(weights, inputs, outputs, packed);
    (up ? upsample : downsample)(&(Resampling){packed, offsets, inputs, outputs}, x, frames, bins, out, NULL);
    free(packed);
}

// gains, offsets: (2, channels).
void EXPORTED(test_bin_layers)(const float* narrowing, const float* widening, const float* gains,
                               const float* offsets, int bins, int narrow, int channels, float* x, int frames) {
    float *first = allocate(packed_bins(bins, narrow)), *second = allocate(packed_bins(narrow, bins));
    pack_bins(narrowing, bins, narrow, first), pack_bins(widening, narrow, bins, second);
    const size_t count = (size_t)frames * bins * channels;
    float *values = copy_of(x, count), *scratch = allocate(bin_layers_scratch(narrow, channels) / sizeof(float));
    ThreadPool pool = pool_with(scratch);
    const BinLayers layers = {.narrowing = first,
                              .widening = second,
                              .gains = {gains, gains + channels},
                              .offsets = {offsets, offsets + channels},
                              .bins = bins,
                              .narrow = narrow,
                              .channels = channels};
    add_bin_layers(&layers, values, frames, &pool);
    memcpy(x, values, count * sizeof *x);
    free(first), free(second), free(values), free(scratch);
}

void EXPORTED(test_spectrum)(bool write, const float* weights, const float* offsets, int channels, int all_bins,
                             int frames, int first_bin, int bins, const float* x, float* out) {
    const SpectrumLayer layer = {weights, offsets, channels, all_bins, frames, first_bin, bins};
    (write ? write_spectrum : read_spectrum)(&layer, x, out, NULL);
}
