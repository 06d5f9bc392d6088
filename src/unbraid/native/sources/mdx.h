// MDX-Net for Python. As in native.h, the caller owns all memory.

#pragma once

#include "names.h"
#include "native.h"

// An MDX-Net for segments of one length. Bins and frames of the deepest level are multiples of 4.
typedef struct {
    int32_t bins, frames;  // of the network's input
    int32_t all_bins;      // of spectra, at least `bins`
    int32_t first_bin;     // bins below this one are zero in the network's input
    int32_t growth;        // channels of the first level, a multiple of 16; each deeper level has as many more
    int32_t levels;        // levels below the first one
    int32_t convolutions;  // of a block
    int32_t narrow;        // bins of the first level that a block's product over the bins leaves
} MdxSizes;

#define MAX_MDX_BINS (1 << 14)
#define MAX_MDX_FRAMES (1 << 11)
#define MAX_MDX_CHANNELS 1024
#define MAX_MDX_LEVELS 8
#define MAX_MDX_CONVOLUTIONS 8

// Stages of a call, for measuring time.
enum { MDX_READING, MDX_CONVOLUTIONS, MDX_BINS, MDX_RESAMPLING, MDX_WRITING, MDX_STAGES };

// Bytes for the packed weights, and for the workspace of one mdx_run; 0 for unsupported sizes. Both must be aligned
// to 64.
EXPORT uint64_t mdx_weights_bytes(const MdxSizes* sizes);
EXPORT uint64_t mdx_workspace_bytes(const MdxSizes* sizes, int32_t threads);

// Pack `count` float32 tensors with their numbers of values into `weights`. Their order: the first layer; for each
// level its block, and the convolution to the next level; from the last but one level to the first: the transposed
// convolution to this level, and its block; the last layer. A layer has weights (outputs, inputs, ...) and a bias for
// each output; transposed convolutions have weights (inputs, outputs, 2, 2). A block has its convolutions, and twice
// weights (bins before, bins after), and a gain and an offset for each channel. Returns a result of native.h.
EXPORT int32_t mdx_pack(const MdxSizes* sizes, int32_t count, const float* const* tensors, const int64_t* lengths,
                        void* weights, uint64_t weights_bytes);

// spectrum (2, all_bins, frames, 2) -> spectra, the same. See htdemucs_run for the other arguments. `weights` are
// packed for the same sizes.
EXPORT int32_t mdx_run(const MdxSizes* sizes, const void* weights, void* workspace, uint64_t workspace_bytes,
                       int32_t threads, int32_t* active, const float* spectrum, float* spectra, double* seconds);
