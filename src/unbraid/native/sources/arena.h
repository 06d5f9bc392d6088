// Arena allocator: blocks are taken one after the other and released in the reverse order, by restoring `used`.
//
// Without memory an arena plans: `peak` becomes the size that the same calls need. Functions named `…_memory`
// allocate what a task or a layer needs. They are called for the plan, and again to compute.

#pragma once

#include <stdbool.h>
#include <stddef.h>

#define ALIGNMENT 64  // bytes: a cache line, and an AVX-512 register

// Bytes between blocks. Tests set a gap that AddressSanitizer guards, so that access beyond a block is an error.
#ifdef ARENA_GAP
#include <sanitizer/asan_interface.h>
#else
#define ARENA_GAP 0
#define ASAN_POISON_MEMORY_REGION(memory, bytes) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)0)
#endif

typedef struct {
    char* memory;  // aligned to ALIGNMENT; NULL: plan
    size_t used, peak;
} Arena;

static inline void* arena_alloc(Arena* arena, size_t bytes) {
    char* block = arena->memory ? arena->memory + arena->used : NULL;
    const size_t padded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ARENA_GAP;
    if (block) {
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
        ASAN_POISON_MEMORY_REGION(block + bytes, padded - bytes);
    }
    arena->used += padded;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return block;
}

static inline float* arena_floats(Arena* arena, size_t count) { return arena_alloc(arena, count * sizeof(float)); }

static inline bool is_plan(const Arena* arena) { return !arena->memory; }
