// Weights as products.c wants them.

#include <math.h>
#include <string.h>

#include "products.h"

#define PART 32
#define MOST_DEPTH (9 * 384)

float half_to_float(uint16_t half) { return _cvtsh_ss(half); }

size_t packed_bytes(int outputs, int depth, int vectors, bool floats) {
    return (size_t)rounded_up(outputs, LANES * vectors) * depth * (floats ? sizeof(float) : sizeof(int16_t));
}

// The output that stands at a place of the packed matrix; pairs of 16 values and 16 gates where `gated`.
static int output_at(int place, int outputs, bool gated) {
    if (!gated) return place;
    const int pair = place / (2 * LANES), within = place % (2 * LANES);
    return pair * LANES + within % LANES + (within < LANES ? 0 : outputs / 2);
}

static const uint16_t* weight_at(const uint16_t* weights, const Order* o, int n) {
    return weights + o->base + n / o->n0 * o->n1_step + n % o->n0 * o->n0_step;
}

// A row of weights in the order of the matrix.
static void read_row(const uint16_t* row, const Order* o, float* out) {
    for (int k2 = 0; k2 < o->depth / (o->k0 * o->k1); k2++)
        for (int k1 = 0; k1 < o->k1; k1++) {
            const uint16_t* from = row + k2 * o->k2_step + k1 * o->k1_step;
            for (int k0 = 0; k0 < o->k0; k0++) *out++ = half_to_float(from[k0 * o->k0_step]);
        }
}

void pack_matrix(Matrix* matrix, const uint16_t* weights, const Order* order, const uint16_t* bias,
                 const float* output_gains, bool gated, void* values, float* gains, float* offsets) {
    const int width = LANES * matrix->vectors, places = rounded_up(order->outputs, width), depth = order->depth;
    memset(values, 0, packed_bytes(order->outputs, depth, matrix->vectors, matrix->floats));
    for (int place = 0; place < places; place++) {
        gains[place] = offsets[place] = 0;
        if (place >= order->outputs) continue;
        const int n = output_at(place, order->outputs, gated);
        float row[MOST_DEPTH];
        read_row(weight_at(weights, order, n), order, row);
        const float gain = output_gains ? output_gains[n] : 1.0f;
        offsets[place] = bias ? gain * half_to_float(bias[n % order->n0]) : 0;
        gains[place] = gain;
        char* panel = (char*)values +
                      (size_t)(place / width) * width * depth * (matrix->floats ? sizeof(float) : sizeof(int16_t));
        const int column = place % width;
        if (matrix->floats) {
            for (int k = 0; k < depth; k++) ((float*)panel)[(size_t)k * width + column] = row[k];
            continue;
        }
        Peak peak = {0, 0};
        // Blocks begin anew with each part.
        const int part = depth / matrix->parts;
        for (int from = 0; from < depth; from += part)
            for (int block = 0; block < part; block += matrix->block) {
                const int count = part - block < matrix->block ? part - block : matrix->block;
                take_peak(&peak, row + from + block, count, matrix->block);
            }
        const float scale = scale_for(&peak, WEIGHTS_NORM);
        gains[place] = gain / scale;
        for (int k = 0; k < depth; k++)
            ((int16_t*)panel)[((size_t)(k / 2) * width + column) * 2 + k % 2] = (int16_t)lrintf(row[k] * scale);
    }
    matrix->values = values, matrix->gains = gains, matrix->offsets = offsets;
    matrix->depth = depth, matrix->outputs = order->outputs, matrix->panels = places / width;
}

void take_peak(Peak* peak, const float* x, int count, int block) {
    // Sums of a PART of a block each. A block lies in one more of them than would fill it.
    float last[LONG_BLOCK / PART] = {0};
    const int before = block / PART;
    Floats largest = _mm512_setzero_ps();
    for (int i = 0, turn = 0; i < count; i += PART, turn = turn + 1 < before ? turn + 1 : 0) {
        Floats sum = _mm512_setzero_ps();
        for (int j = i; j < count && j < i + PART; j += LANES) {
            Floats values = load(x + j);
            sum = _mm512_fmadd_ps(values, values, sum);
            largest = _mm512_max_ps(_mm512_abs_ps(values), largest);
        }
        const float square = _mm512_reduce_add_ps(sum);
        float together = square;
        for (int k = 0; k < before; k++) together += last[k];
        if (together > peak->square || together != together) peak->square = together;  // what is no number stays
        last[turn] = square;
    }
    peak->largest = fmaxf(peak->largest, _mm512_reduce_max_ps(largest));
}

float scale_for(const Peak* peak, float norm) {
    if (peak->square == 0) return 1;
    const float by_norm = norm / sqrtf(peak->square), by_value = 32767 / peak->largest;
    return by_value < by_norm ? by_value : by_norm;  // what is no number stays
}

void quantise(const float* x, int count, float scale, int16_t* out) {
    const Floats by = all(scale);
    for (int i = 0; i < count; i += LANES)
        _mm256_storeu_si256((__m256i*)(out + i),
                            _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(_mm512_mul_ps(load(x + i), by))));
}

float quantise_row(const float* x, int count, int block, int16_t* out) {
    Peak peak = {0, 0};
    take_peak(&peak, x, count, block);
    const float scale = scale_for(&peak, ROWS_NORM);
    quantise(x, count, scale, out);
    return 1 / scale;
}

void quantise_rows(const float* x, ptrdiff_t stride, int count, int length, int block, int16_t* out, float* gains) {
    for (ptrdiff_t i = 0; i < count; i++) gains[i] = quantise_row(x + i * stride, length, block, out + i * length);
}
