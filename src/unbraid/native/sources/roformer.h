// Layers of band-split transformers for Python. As in native.h, the caller owns all memory.
//
// Lu et al., "Music source separation with band-split RoPE transformer" (arXiv 2309.02612), and Wang et al.,
// "Mel-Band RoFormer for music source separation" (arXiv 2310.01809).

#pragma once

#include "names.h"
#include "native.h"

// An attention and its hidden layer. All sizes of weights are multiples of 16, and `head_width` is one of 32.
typedef struct {
    int32_t width;  // values of a token
    int32_t heads, head_width;
    int32_t hidden;  // width of the hidden layer
    int32_t norms;   // norms of the result, 0 to MAX_ROFORMER_NORMS
    int32_t items;   // sequences
    int32_t length;  // tokens of a sequence
} RoformerSizes;

#define MAX_ROFORMER_HEADS 64
#define MAX_ROFORMER_NORMS 2
#define MAX_ROFORMER_LENGTH (1 << 16)

// Bytes for the packed weights, and for the workspace of one roformer_run; 0 for unsupported sizes. Both must be
// aligned to 64.
EXPORT uint64_t roformer_weights_bytes(const RoformerSizes* sizes);
EXPORT uint64_t roformer_workspace_bytes(const RoformerSizes* sizes, int32_t threads);

// Pack `count` tensors with their names and numbers of values into `weights`. Matrices (outputs, inputs) are float16,
// all others float32, although `values` has one type. With inner = heads * head_width:
//
//   norm               (width)
//   projection.weight  (3 inner + heads, width): queries, keys and values of all heads, then a gate for each head.
//   The
//                      two values that a rotation mixes are in the same place of the two halves of a head.
//   projection.bias    (3 inner + heads)
//   output.weight      (width, inner)
//   hidden_norm        (width)
//   expand.weight      (hidden, width), and expand.bias
//   contract.weight    (width, hidden), and contract.bias
//   norm.0, norm.1     (width), for `norms` of them
//
// Norms are those of root mean squares. Returns a result of native.h.
EXPORT int32_t roformer_pack(const RoformerSizes* sizes, int32_t count, const char* const* names,
                             const void* const* values, const int64_t* lengths, void* weights,
                             uint64_t weights_bytes);

// Change tokens (items, length, width) in place, unless there is `out`: then it receives the result, (length, items,
// width), and the tokens are undefined. rotation (length, head_width): cosines, then sines of the angles of each
// position. See htdemucs_run for the other arguments.
EXPORT int32_t roformer_run(const RoformerSizes* sizes, const void* weights, void* workspace,
                            uint64_t workspace_bytes, int32_t threads, int32_t* active, const float* rotation,
                            float* tokens, float* out);
