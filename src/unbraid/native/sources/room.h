// Memory for a while: pieces are taken one after the other and given back in the reverse order.
//
// Where a room has no memory, it measures: what takes from it computes nothing, and `most` is what it would need.

#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char* memory;  // at a multiple of 64
    size_t used, most;
} Room;

static inline void* take(Room* room, size_t bytes) {
    void* piece = room->memory ? room->memory + room->used : NULL;
    room->used += (bytes + 63) / 64 * 64;
    if (room->used > room->most) room->most = room->used;
    return piece;
}

static inline float* take_floats(Room* room, size_t count) { return take(room, count * sizeof(float)); }

static inline bool measuring(const Room* room) { return !room->memory; }
