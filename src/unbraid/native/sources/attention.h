// Multi-head attention: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762). Scores are computed block by
// block and never stored as a whole: Dao et al., "FlashAttention" (arXiv 2205.14135).

#pragma once

#include "matmul.h"
#include "native.h"
#include "thread_pool.h"

#define HEADS 8

// queries (count, width), keys_values (key_count, 2 width), keys first -> out (count, width), heads side by side.
void attend(const float* queries, int count, const float* keys_values, int key_count, int width, float* out,
            ThreadPool* pool);
