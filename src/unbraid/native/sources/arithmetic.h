// Integer arithmetic for sizes.

#pragma once

static inline int min_int(int a, int b) { return a < b ? a : b; }

// The smallest multiple of `to` that is at least n.
static inline int round_up(int n, int to) { return (n + to - 1) / to * to; }

// Number of blocks of `size` that hold `count` items; the last one may be smaller.
static inline int ceil_div(int count, int size) { return (count + size - 1) / size; }
