// A linear layer for Python, whose weights are packed, used once and dropped. As in native.h, the caller owns all
// memory.

#pragma once

#include "names.h"
#include "native.h"

typedef struct {
    int32_t count;   // rows
    int32_t inputs;  // a multiple of 16
    int32_t outputs;
    int32_t use_tanh;  // 1: the hyperbolic tangent of the result
} LinearSizes;

#define MAX_LINEAR_ROWS (1 << 16)
#define MAX_LINEAR_OUTPUTS (1 << 16)

// Bytes for the workspace of one linear_run; 0 for unsupported sizes. It must be aligned to 64.
EXPORT uint64_t linear_workspace_bytes(const LinearSizes* sizes, int32_t threads);

// x (count, inputs) times weights (outputs, inputs, float16), plus the bias (outputs) -> out (count, outputs). See
// htdemucs_run for the other arguments. Returns a result of native.h.
EXPORT int32_t linear_run(const LinearSizes* sizes, void* workspace, uint64_t workspace_bytes, int32_t threads,
                          int32_t* active, const uint16_t* weights, const float* bias, const float* x, float* out);
