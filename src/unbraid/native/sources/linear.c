#include "linear.h"

#include <string.h>

#include "matmul.h"
#include "thread_pool.h"

#define ROW_BLOCK 96      // rows that are quantised in a task
#define OUTPUT_BLOCK 128  // outputs of a task; their packed weights stay in the second-level cache

_Static_assert(OUTPUT_BLOCK % (2 * LANES) == 0, "a task packs whole panels");

typedef struct {
    const LinearSizes* sizes;
    const uint16_t* weights;
    const float *bias, *x;
    float* out;
    int16_t* integers;  // (count, inputs)
    float* gains;       // (count)
} Work;

static bool supported(const LinearSizes* sizes) {
    return 1 <= sizes->count && sizes->count <= MAX_LINEAR_ROWS && 16 <= sizes->inputs &&
           sizes->inputs <= MAX_DEPTH && sizes->inputs % 16 == 0 && 1 <= sizes->outputs &&
           sizes->outputs <= MAX_LINEAR_OUTPUTS;
}

static void allocate_rows(Work* work, Arena* arena) {
    const size_t count = work->sizes->count;
    work->integers = arena_alloc(arena, count * work->sizes->inputs * sizeof *work->integers);
    work->gains = arena_floats(arena, count);
}

static void quantise_block(const void* context, int index, Arena* scratch) {
    const Work* work = context;
    (void)scratch;
    const ptrdiff_t from = (ptrdiff_t)index * ROW_BLOCK, inputs = work->sizes->inputs;
    quantise_rows(work->x + from * inputs, inputs, min_int(ROW_BLOCK, work->sizes->count - (int)from), (int)inputs,
                  LONG_BLOCK, work->integers + from * inputs, work->gains + from);
}

typedef struct {
    void* packed;
    float *gains, *offsets;
} TaskMemory;

static TaskMemory task_memory(const LinearSizes* sizes, Arena* scratch) {
    const size_t mark = scratch->used;
    TaskMemory memory = {.packed = arena_alloc(scratch, packed_bytes(OUTPUT_BLOCK, sizes->inputs, 2, false))};
    memory.gains = arena_floats(scratch, OUTPUT_BLOCK), memory.offsets = arena_floats(scratch, OUTPUT_BLOCK);
    scratch->used = mark;
    return memory;
}

// Pack the weights of a few outputs, and compute these for all rows.
static void multiply_block(const void* context, int index, Arena* scratch) {
    const Work* work = context;
    const int inputs = work->sizes->inputs, from = index * OUTPUT_BLOCK,
              outputs = min_int(OUTPUT_BLOCK, work->sizes->outputs - from);
    const TaskMemory memory = task_memory(work->sizes, scratch);
    const WeightLayout layout = {.outputs = outputs,
                                 .depth = inputs,
                                 .n0 = outputs,
                                 .n0_step = inputs,
                                 .k0 = inputs,
                                 .k0_step = 1,
                                 .k1 = 1,
                                 .base = (ptrdiff_t)from * inputs};
    Matrix matrix = {.vectors = 2, .parts = 1, .block = LONG_BLOCK};
    pack_matrix(&matrix, work->weights, &layout, NULL, NULL, NULL, false, memory.packed, memory.gains,
                memory.offsets);
    memcpy(memory.offsets, work->bias + from, outputs * sizeof *memory.offsets);
    const Rows rows = {
        .values = work->integers, .stride = inputs * sizeof *work->integers, .gains = work->gains, .gains_stride = 1};
    multiply(&matrix, &rows, work->sizes->count,
             &(Result){.values = work->out + from,
                       .stride = work->sizes->outputs,
                       .epilogue = work->sizes->use_tanh ? TANH : STORE});
}

static void plan_memory(const LinearSizes* sizes, size_t* rows, size_t* scratch) {
    Arena row_plan = {0}, scratch_plan = {0};
    allocate_rows(&(Work){.sizes = sizes}, &row_plan);
    task_memory(sizes, &scratch_plan);
    *rows = row_plan.peak, *scratch = scratch_plan.peak;
}

uint64_t linear_workspace_bytes(const LinearSizes* sizes, int32_t threads) {
    if (!supported(sizes)) return 0;
    size_t rows, scratch;
    plan_memory(sizes, &rows, &scratch);
    return rows + clamp_threads(threads) * scratch;
}

int32_t linear_run(const LinearSizes* sizes, void* workspace, uint64_t workspace_bytes, int32_t threads,
                   int32_t* active, const uint16_t* weights, const float* bias, const float* x, float* out) {
    if (!supported(sizes)) return UNSUPPORTED_SIZES;
    if (workspace_bytes < linear_workspace_bytes(sizes, threads)) return SMALL_MEMORY;
    size_t rows, scratch;
    plan_memory(sizes, &rows, &scratch);
    ThreadPool pool = {.arena = {.memory = workspace}, .active = (atomic_int*)active};
    for (int i = 0; i < clamp_threads(threads); i++) pool.scratch[i].memory = (char*)workspace + rows + i * scratch;
    Work work = {.sizes = sizes, .weights = weights, .bias = bias, .x = x, .out = out};
    allocate_rows(&work, &pool.arena);
    pool_start(&pool, clamp_threads(threads));
    parallel_for(&pool, quantise_block, &work, ceil_div(sizes->count, ROW_BLOCK));
    parallel_for(&pool, multiply_block, &work, ceil_div(sizes->outputs, OUTPUT_BLOCK));
    pool_stop(&pool);
    return DONE;
}
