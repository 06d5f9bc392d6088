// Pack and quantise weights and activations for matmul.c.

#include <math.h>
#include <string.h>

#include "matmul.h"

#define STEP 32

_Static_assert(SHORT_BLOCK % STEP == 0 && LONG_BLOCK % STEP == 0, "update_peak counts blocks in steps");
_Static_assert(STEP % LANES == 0, "update_peak loads whole vectors");

size_t packed_bytes(int outputs, int depth, int vectors, bool floats) {
    return (size_t)round_up(outputs, LANES * vectors) * depth * (floats ? sizeof(float) : sizeof(int16_t));
}

// The output in a column of the packed matrix. If gated, panels alternate a vector of outputs and one of their gates.
static int output_at(int column, int outputs, bool gated) {
    if (!gated) return column;
    const int pair = column / (2 * LANES), within = column % (2 * LANES);
    return pair * LANES + within % LANES + (within < LANES ? 0 : outputs / 2);
}

static const uint16_t* weight_at(const uint16_t* weights, const WeightLayout* layout, int n) {
    return weights + layout->base + n / layout->n0 * layout->n1_step + n % layout->n0 * layout->n0_step;
}

// Read a row of weights in the order of the matrix.
static void read_row(const uint16_t* row, const WeightLayout* layout, float* out) {
    if (layout->k0 == layout->depth && layout->k0_step == 1 && layout->depth % LANES == 0) {
        for (int k = 0; k < layout->depth; k += LANES) store(out + k, load_halves(row + k));
        return;
    }
    for (int k2 = 0; k2 < layout->depth / (layout->k0 * layout->k1); k2++)
        for (int k1 = 0; k1 < layout->k1; k1++) {
            const uint16_t* from = row + k2 * layout->k2_step + k1 * layout->k1_step;
            for (int k0 = 0; k0 < layout->k0; k0++) *out++ = half_to_float(from[k0 * layout->k0_step]);
        }
}

void pack_matrix(Matrix* matrix, const uint16_t* weights, const WeightLayout* layout, const uint16_t* bias,
                 const float* input_gains, const float* output_gains, bool gated, void* values, float* gains,
                 float* offsets) {
    const int width = LANES * matrix->vectors, columns = round_up(layout->outputs, width), depth = layout->depth;
    memset(values, 0, packed_bytes(layout->outputs, depth, matrix->vectors, matrix->floats));
    for (int column = 0; column < columns; column++) {
        gains[column] = offsets[column] = 0;
        if (column >= layout->outputs) continue;
        const int n = output_at(column, layout->outputs, gated);
        float row[MAX_DEPTH];
        read_row(weight_at(weights, layout, n), layout, row);
        for (int k = 0; input_gains && k < depth; k++) row[k] *= input_gains[k];
        const float gain = output_gains ? output_gains[n] : 1.0f;
        offsets[column] = bias ? gain * half_to_float(bias[n % layout->n0]) : 0;
        gains[column] = gain;
        char* panel = (char*)values +
                      (size_t)(column / width) * width * depth * (matrix->floats ? sizeof(float) : sizeof(int16_t));
        const int panel_column = column % width;
        if (matrix->floats) {
            for (int k = 0; k < depth; k++) ((float*)panel)[(size_t)k * width + panel_column] = row[k];
            continue;
        }
        Peak peak = {0, 0};
        // Each part starts a new block.
        const int part = depth / matrix->parts;
        for (int from = 0; from < depth; from += part)
            for (int block = 0; block < part; block += matrix->block) {
                const int count = part - block < matrix->block ? part - block : matrix->block;
                update_peak(&peak, row + from + block, count, matrix->block);
            }
        const float scale = scale_for(&peak, WEIGHTS_NORM);
        gains[column] = gain / scale;
        int16_t integers[MAX_DEPTH];
        quantise(row, depth, scale, integers);
        for (int k = 0; k < depth; k += 2)
            memcpy((int16_t*)panel + ((size_t)(k / 2) * width + panel_column) * 2, integers + k,
                   2 * sizeof *integers);
    }
    matrix->values = values, matrix->gains = gains, matrix->offsets = offsets;
    matrix->depth = depth, matrix->outputs = layout->outputs, matrix->panels = columns / width;
}

void update_peak(Peak* peak, const float* x, int count, int block) {
    // `recent` holds the sums of squares of the last steps of STEP values. A block may begin inside a step; it then
    // overlaps one step more than its length.
    float recent[LONG_BLOCK / STEP] = {0};
    const int slots = block / STEP;
    Floats largest = splat(0);
    for (int i = 0, slot = 0; i < count; i += STEP, slot = slot + 1 < slots ? slot + 1 : 0) {
        Floats sum = splat(0);
        for (int j = i; j < count && j < i + STEP; j += LANES) {
            Floats values = load(x + j);
            sum = multiply_add(values, values, sum);
            largest = larger(magnitude(values), largest);
        }
        const float square = sum_of_lanes(sum);
        float total = square;
        for (int k = 0; k < slots; k++) total += recent[k];
        if (total > peak->square || total != total) peak->square = total;  // propagates NaN
        recent[slot] = square;
    }
    peak->largest = fmaxf(peak->largest, largest_lane(largest));
}

float scale_for(const Peak* peak, float norm) {
    if (peak->square == 0) return 1;
    const float by_norm = norm / sqrtf(peak->square), by_value = 32767 / peak->largest;
    return by_value < by_norm ? by_value : by_norm;  // propagates NaN
}

void quantise(const float* x, int count, float scale, int16_t* out) {
    const Floats by = splat(scale);
    for (int i = 0; i < count; i += LANES) store_int16(out + i, to_integers(load(x + i) * by));
}

float quantise_row(const float* x, int count, int block, int16_t* out) {
    Peak peak = {0, 0};
    update_peak(&peak, x, count, block);
    const float scale = scale_for(&peak, ROWS_NORM);
    quantise(x, count, scale, out);
    return 1 / scale;
}

void quantise_rows(const float* x, ptrdiff_t stride, int count, int length, int block, int16_t* out, float* gains) {
    for (ptrdiff_t i = 0; i < count; i++) gains[i] = quantise_row(x + i * stride, length, block, out + i * length);
}
