// Small sums with counts of things.

#pragma once

static inline int least(int a, int b) { return a < b ? a : b; }

// The next multiple of `to`.
static inline int rounded_up(int n, int to) { return (n + to - 1) / to * to; }

// How many pieces of `size` make up `count`; the last may be smaller.
static inline int pieces_of(int count, int size) { return (count + size - 1) / size; }
