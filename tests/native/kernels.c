// Kernels of the native library, callable from tests: on arrays, and with memory of their own.

#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>
#include <time.h>

#include "attention.h"
#include "matmul.h"

#define EXPORTED(function) __attribute__((visibility("default"))) NAME(function)

typedef Floats Function(Floats x);

static void apply(Function* function, const float* x, int count, float* out) {
    for (int i = 0; i < count; i += LANES) store(out + i, function(load(x + i)));
}

void EXPORTED(test_power_of_two)(const float* x, int count, float* out) { apply(power_of_two, x, count, out); }

void EXPORTED(test_coarse_power_of_two)(const float* x, int count, float* out) {
    apply(coarse_power_of_two, x, count, out);
}

void EXPORTED(test_reciprocal)(const float* x, int count, float* out) { apply(reciprocal, x, count, out); }

void EXPORTED(test_sigmoid)(const float* x, int count, float* out) { apply(sigmoid, x, count, out); }

void EXPORTED(test_gelu)(const float* x, int count, float* out) { apply(gelu, x, count, out); }

int EXPORTED(test_lanes)(void) { return LANES; }

// Rows of LANES floats: loaded, stored and kept in the first `count` lanes, larger, where positive, not a number;
// then the sum and the largest of x.
void EXPORTED(test_lane_functions)(const float* x, const float* y, int count, float* out) {
    const Floats a = load(x), b = load(y);
    store(out, load_first(x, count));
    store_first(out + LANES, count, a);
    store(out + 2 * LANES, keep_first(a, count));
    store(out + 3 * LANES, larger(a, b));
    store(out + 4 * LANES, where_positive(a, a, b));
    store(out + 5 * LANES, keep_nan(a, b));
    out[6 * LANES] = sum_of_lanes(a), out[6 * LANES + 1] = largest_lane(a), out[6 * LANES + 2] = first_lane(a);
}

void EXPORTED(test_store_int16)(const float* x, int16_t* out) { store_int16(out, to_integers(load(x))); }

float EXPORTED(test_half_to_float)(uint16_t half) { return half_to_float(half); }

void EXPORTED(test_quantise_rows)(const float* x, int count, int length, int block, int16_t* out, float* gains) {
    quantise_rows(x, length, count, length, block, out, gains);
}

// x (count, depth) times weights (outputs, depth), plus the bias. Memory is allocated exactly, so that a sanitizer
// sees access beyond it.
void EXPORTED(test_multiply)(const uint16_t* weights, const uint16_t* bias, int outputs, int depth, int vectors,
                             bool floats, int parts, int block, bool gated, const float* x, int count, int epilogue,
                             float* out) {
    const WeightLayout layout = {
        .outputs = outputs, .depth = depth, .n0 = outputs, .n0_step = depth, .k0 = depth, .k0_step = 1, .k1 = 1};
    const int padded = round_up(outputs, vectors * LANES);
    Matrix matrix = {.vectors = vectors, .floats = floats, .parts = parts, .block = block};
    void* packed = aligned_alloc(64, (packed_bytes(outputs, depth, vectors, floats) + 63) / 64 * 64);
    float *gains = malloc(padded * sizeof *gains), *offsets = malloc(padded * sizeof *offsets);
    pack_matrix(&matrix, weights, &layout, bias, NULL, NULL, gated, packed, gains, offsets);
    int16_t* integers = malloc((size_t)count * depth * sizeof *integers);
    float* row_gains = malloc(count * sizeof *row_gains);
    quantise_rows(x, depth, count, depth, block, integers, row_gains);
    const int size = floats ? sizeof(float) : sizeof(int16_t), part = depth / parts;
    const Rows rows = {.values = floats ? (const void*)x : integers,
                       .stride = depth * size,
                       .part_stride = part * size,
                       .gains = floats ? NULL : row_gains,
                       .gains_stride = 1};
    multiply(&matrix, &rows, count,
             &(Result){.values = out, .stride = gated ? outputs / 2 : outputs, .epilogue = epilogue});
    free(packed), free(gains), free(offsets), free(integers), free(row_gains);
}

// Write one value beyond a block.
void EXPORTED(test_write_beyond_a_block)(void* memory) {
    Arena arena = {.memory = (char*)(((uintptr_t)memory + 63) / 64 * 64)};
    float* block = arena_floats(&arena, 16);
    arena_floats(&arena, 16);
    ((volatile float*)block)[16] = 1;
}

void EXPORTED(test_attend)(const float* queries, int count, const float* keys_values, int key_count, int width,
                           float* out) {
    ThreadPool pool = {.threads = 1};
    attend(queries, count, keys_values, key_count, width, out, &pool);
    const size_t bytes = pool.arena.peak, scratch = pool.scratch[0].peak;
    char* memory = aligned_alloc(64, bytes + scratch);
    atomic_int active = 0;
    ThreadPool computing = {
        .arena = {.memory = memory}, .scratch = {{.memory = memory + bytes}}, .active = &active, .threads = 1};
    attend(queries, count, keys_values, key_count, width, out, &computing);
    free(memory);
}

typedef struct {
    pthread_t caller;
    atomic_bool* worker_started;
} Stall;

static void sleep_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

// Keep the worker in a task for a while after the calling thread has finished, as if it had lost its core.
static void stall(const void* context, int index, Arena* scratch) {
    (void)index, (void)scratch;
    const Stall* work = context;
    if (pthread_equal(pthread_self(), work->caller))
        while (!atomic_load(work->worker_started)) sleep_ms(1);
    else
        atomic_store(work->worker_started, true), sleep_ms(300);
}

// CPU seconds that the calling thread uses in a loop of two tasks whose worker stalls.
double EXPORTED(test_wait_for_a_stalled_worker)(void) {
    atomic_int active = 0;
    atomic_bool worker_started = false;
    char memory[ALIGNMENT];
    ThreadPool pool = {.arena = {.memory = memory}, .active = &active};
    pool_start(&pool, 2);
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    parallel_for(&pool, stall, &(Stall){pthread_self(), &worker_started}, 2);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    pool_stop(&pool);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}
