// Attention with several heads, a block of scores at a time: Vaswani et al., "Attention Is All You Need"
// (arXiv 1706.03762); without the whole matrix of scores, after Dao et al., "FlashAttention" (arXiv 2205.14135).

#pragma once

#include "products.h"
#include "team.h"

#define HEADS 8

// queries (count, width), keys_values (seen, 2 width), keys first -> out (count, width), whose heads stand side by
// side.
void attend(const float* queries, int count, const float* keys_values, int seen, int width, float* out, Team* team);
