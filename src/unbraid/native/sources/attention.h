// Multi-head attention: Vaswani et al., "Attention Is All You Need" (arXiv 1706.03762). Scores are computed block by
// block and never stored as a whole: Dao et al., "FlashAttention" (arXiv 2205.14135).

#pragma once

#include "matmul.h"
#include "native.h"
#include "thread_pool.h"

#define HEADS 8                            // of HTDemucs
#define MAX_HEAD_SIZE (MAX_WIDTH / HEADS)  // values of a key

// Keys and values of one head, packed. They belong to the arena.
typedef struct {
    int key_count, size;     // `size`: values of a key, a multiple of 16
    int16_t *keys, *values;  // packed: all keys in panels, values in blocks
    float key_gain, value_gains[MAX_HEAD_SIZE];
} Head;

Head allocate_head(Arena* arena, int key_count, int size);

// Pack keys and values, each `stride` floats after the one before.
void pack_head(Head* head, const float* keys, const float* values, ptrdiff_t stride);

// Memory of a thread for the scores of a block of queries.
typedef struct {
    int16_t *integers, *weights;
    float *scores, *mixture;
} AttentionMemory;

AttentionMemory attention_memory(Arena* scratch, int size);

// `count` queries at distances of `stride` -> out, at distances of `out_stride`. They may be the same memory.
void attend_head(const Head* head, const float* queries, int count, ptrdiff_t stride, float* out,
                 ptrdiff_t out_stride, const AttentionMemory* memory);

// queries (count, width), keys_values (key_count, 2 width), keys first -> out (count, width), HEADS heads side by
// side.
void attend(const float* queries, int count, const float* keys_values, int key_count, int width, float* out,
            ThreadPool* pool);
