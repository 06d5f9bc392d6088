// Arena allocator: blocks are taken one after the other and released in the reverse order, by restoring `used`.
//
// Without memory an arena only measures: functions compute nothing, and `peak` becomes the size that they need.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ALIGNMENT 64  // bytes: a cache line, and an AVX-512 register

typedef struct {
    char* memory;  // aligned to ALIGNMENT; NULL: measure
    size_t used, peak;
} Arena;

static inline void* arena_alloc(Arena* arena, size_t bytes) {
    void* block = arena->memory ? arena->memory + arena->used : NULL;
    arena->used += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return block;
}

static inline float* arena_floats(Arena* arena, size_t count) { return arena_alloc(arena, count * sizeof(float)); }

static inline bool measuring(const Arena* arena) { return !arena->memory; }
