// HTDemucs: two U-Nets, over the spectrogram and over the waveform, with a transformer across their middle. Rouard, Massa,
// Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553).

#include <math.h>
#include <string.h>

#include "native.h"
#include "transformer.h"
#include "waveform.h"

#define DEPTH 4
#define CHANNELS 48  // of the first level; each has twice as many
#define BINS 2048
#define STEREO 2
#define PARTS 2  // real and imaginary
#define EMBEDDING_SCALE 2.0f  // the published vectors are a tenth, and count a fifth

typedef struct {
    SpectralEncoder encoder[DEPTH];
    WaveformEncoder tencoder[DEPTH];
    SpectralDecoder decoder[DEPTH];
    WaveformDecoder tdecoder[DEPTH];
    Matrix up, up_t, down, down_t;  // to the transformer's width and back, where it is another
    Transformer transformer;
} Network;

static int channels_of(int level) { return CHANNELS << level; }

static int frequencies_of(int level) { return BINS >> 2 * (level + 1); }

static Network *build(Builder *builder, const HTDemucsSizes *sizes) {
    Network made, *network = take(&builder->room, sizeof made);
    for (int k = 0; k < DEPTH; k++) {
        const int in = k ? channels_of(k - 1) : STEREO * PARTS, in_t = k ? channels_of(k - 1) : STEREO;
        made.encoder[k] = make_spectral_encoder(builder, k, in, channels_of(k), frequencies_of(k));
        made.tencoder[k] = make_waveform_encoder(builder, k, in_t, channels_of(k));
        // Decoders are numbered on their way.
        const int level = DEPTH - 1 - k;
        const int out = level ? channels_of(level - 1) : sizes->sources * STEREO * PARTS;
        const int out_t = level ? channels_of(level - 1) : sizes->sources * STEREO;
        made.decoder[k] =
            make_spectral_decoder(builder, k, channels_of(level), out, frequencies_of(level), level == 0);
        made.tdecoder[k] = make_waveform_decoder(builder, k, channels_of(level), out_t, level == 0);
    }
    float *embedding =
        (float *)floats_of(builder, "freq_emb.", "embedding.weight", frequencies_of(0) * channels_of(0));
    if (embedding)
        for (int i = 0; i < frequencies_of(0) * channels_of(0); i++) embedding[i] *= EMBEDDING_SCALE;
    made.encoder[0].embedding = embedding;
    const int bottom = channels_of(DEPTH - 1), width = sizes->width ? sizes->width : bottom;
    if (sizes->width) {
        made.up = pointwise(builder, "channel_upsampler.", width, bottom, (Kind){0});
        made.up_t = pointwise(builder, "channel_upsampler_t.", width, bottom, (Kind){0});
        made.down = pointwise(builder, "channel_downsampler.", bottom, width, (Kind){0});
        made.down_t = pointwise(builder, "channel_downsampler_t.", bottom, width, (Kind){0});
    }
    made.transformer = make_transformer(builder, width);
    if (network) *network = made;
    return network;
}

typedef struct {
    float mean, deviation;
} Spread;

// As PyTorch's: the variance has one value less in its denominator.
static Spread spread_of(const float *x, ptrdiff_t count) {
    double sum = 0, square = 0;
    for (ptrdiff_t i = 0; i < count; i++) sum += x[i];
    const double mean = sum / count;
    for (ptrdiff_t i = 0; i < count; i++) square += (x[i] - mean) * (x[i] - mean);
    return (Spread){(float)mean, (float)sqrt(square / (count - 1))};
}

// (2, BINS, frames, 2) -> (frames, BINS + 2 PADDING, 4), standardised.
static Spread read_spectrum(const float *spectrum, int frames, float *out) {
    const int parts = STEREO * PARTS, row = (BINS + 2 * PADDING) * parts;
    const Spread spread = spread_of(spectrum, (ptrdiff_t)STEREO * BINS * frames * PARTS);
    const float by = 1 / (1e-5f + spread.deviation);
    memset(out, 0, (size_t)frames * row * sizeof *out);
    for (int c = 0; c < STEREO; c++)
        for (int f = 0; f < BINS; f++) {
            const float *from = spectrum + ((ptrdiff_t)c * BINS + f) * frames * PARTS;
            float *to = out + (f + PADDING) * parts + c * PARTS;
            for (ptrdiff_t t = 0; t < frames; t++)
                for (int part = 0; part < PARTS; part++)
                    to[t * row + part] = (from[t * PARTS + part] - spread.mean) * by;
        }
    return spread;
}

static Spread read_mixture(const float *mixture, int samples, float *out) {
    const Spread spread = spread_of(mixture, (ptrdiff_t)STEREO * samples);
    const float by = 1 / (1e-5f + spread.deviation);
    memset(out, 0, (size_t)(samples + WAVEFORM_BEFORE + WAVEFORM_AFTER) * STEREO * sizeof *out);
    out += WAVEFORM_BEFORE * STEREO;
    for (int c = 0; c < STEREO; c++)
        for (ptrdiff_t i = 0; i < samples; i++)
            out[i * STEREO + c] = (mixture[(ptrdiff_t)c * samples + i] - spread.mean) * by;
    return spread;
}

// (frames, BINS + 2 PADDING, sources * 4) -> (sources, 2, BINS, frames, 2)
static void write_spectra(const float *x, int sources, int frames, Spread spread, float *spectra) {
    const int channels = sources * STEREO * PARTS;
    const ptrdiff_t row = (ptrdiff_t)(BINS + 2 * PADDING) * channels;
    for (int f = 0; f < BINS; f++)
        for (int pair = 0; pair < sources * STEREO; pair++) {
            const float *from = x + (f + PADDING) * channels + pair * PARTS;
            float *to = spectra + ((ptrdiff_t)pair * BINS + f) * frames * PARTS;
            for (ptrdiff_t t = 0; t < frames; t++)
                for (int part = 0; part < PARTS; part++)
                    to[t * PARTS + part] = from[t * row + part] * spread.deviation + spread.mean;
        }
}

static void write_waveforms(const float *x, int sources, int samples, Spread spread, float *waveforms) {
    const int channels = sources * STEREO;
    for (int c = 0; c < channels; c++)
        for (ptrdiff_t i = 0; i < samples; i++)
            waveforms[(ptrdiff_t)c * samples + i] =
                x[(i + PADDING) * channels + c] * spread.deviation + spread.mean;
}

// Each row of x through a matrix.
static void change_width(const Matrix *matrix, const float *x, int count, int from, float *out, Room *room) {
    const size_t mark = room->used;
    int16_t *integers = take(room, (size_t)count * from * sizeof *integers);
    float *gains = take_floats(room, count);
    if (!measuring(room)) {
        for (ptrdiff_t t = 0; t < count; t++) gains[t] = quantise_row(x + t * from, from, LONG_BLOCK, integers + t * from);
        multiply(matrix, &(Rows){integers, from * sizeof *integers, 1, 0, gains, 1, 0}, count,
                 &(Result){.values = out, .stride = matrix->outputs, .finish = STORE});
    }
    room->used = mark;
}

// The middle: (frames, frequencies, channels) and (length, channels) -> the same.
static void meet(const Network *network, const HTDemucsSizes *sizes, const float *x, int count, const float *waveform,
                 int length, float *out, float *out_t, Room *room) {
    const size_t mark = room->used;
    const int bottom = channels_of(DEPTH - 1), frequencies = frequencies_of(DEPTH - 1);
    if (sizes->width) {
        float *wide = take_floats(room, (size_t)count * sizes->width);
        float *wide_t = take_floats(room, (size_t)length * sizes->width);
        change_width(&network->up, x, count, bottom, wide, room);
        change_width(&network->up_t, waveform, length, bottom, wide_t, room);
        transform(&network->transformer, wide, sizes->frames, frequencies, wide_t, length, room);
        change_width(&network->down, wide, count, sizes->width, out, room);
        change_width(&network->down_t, wide_t, length, sizes->width, out_t, room);
    } else {
        if (!measuring(room)) {
            memcpy(out, x, (size_t)count * bottom * sizeof *out);
            memcpy(out_t, waveform, (size_t)length * bottom * sizeof *out_t);
        }
        transform(&network->transformer, out, sizes->frames, frequencies, out_t, length, room);
    }
    room->used = mark;
}

static void run(const Network *network, const HTDemucsSizes *sizes, Room *room, const float *mixture,
                const float *spectrum, float *waveforms, float *spectra) {
    const int frames = sizes->frames, sources = sizes->sources;
    float *skips[DEPTH], *skips_t[DEPTH];
    int lengths[DEPTH + 1] = {sizes->samples};
    for (int k = 0; k < DEPTH; k++) {
        lengths[k + 1] = (lengths[k] + STRIDE - 1) / STRIDE;
        skips[k] = take_floats(room, (size_t)frames * frequencies_of(k) * channels_of(k));
        skips_t[k] = take_floats(room, (size_t)lengths[k + 1] * channels_of(k));
    }
    Spread spread = {0, 0}, spread_t = {0, 0};
    const size_t mark = room->used;
    float *read = take_floats(room, (size_t)frames * (BINS + 2 * PADDING) * STEREO * PARTS);
    float *read_t = take_floats(room, (size_t)(sizes->samples + WAVEFORM_BEFORE + WAVEFORM_AFTER) * STEREO);
    if (!measuring(room)) {
        spread = read_spectrum(spectrum, frames, read);
        spread_t = read_mixture(mixture, sizes->samples, read_t);
    }
    for (int k = 0; k < DEPTH; k++) {
        encode_spectral(&network->encoder[k], k ? skips[k - 1] : read, frames, skips[k], room);
        const float *before = k ? skips_t[k - 1] : measuring(room) ? NULL : read_t + WAVEFORM_BEFORE * STEREO;
        encode_waveform(&network->tencoder[k], before, lengths[k], skips_t[k], room);
    }
    room->used = mark;

    // What goes into each decoder, with what lies between frames; two at a time are needed.
    const int top = DEPTH - 1, tokens = frames * frequencies_of(top);
    size_t most[2] = {(size_t)tokens * channels_of(top), 0}, most_t[2] = {(size_t)lengths[DEPTH] * channels_of(top), 0};
    for (int k = 0; k < DEPTH; k++) {
        const SpectralDecoder *layer = &network->decoder[k];
        const size_t values = (size_t)frames * (STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
        const size_t values_t = (size_t)(STRIDE * lengths[DEPTH - k] + STRIDE) * network->tdecoder[k].channels_out;
        if (values > most[(k + 1) % 2]) most[(k + 1) % 2] = values;
        if (values_t > most_t[(k + 1) % 2]) most_t[(k + 1) % 2] = values_t;
    }
    float *x[2] = {take_floats(room, most[0]), take_floats(room, most[1])};
    float *xt[2] = {take_floats(room, most_t[0]), take_floats(room, most_t[1])};
    meet(network, sizes, skips[top], tokens, skips_t[top], lengths[DEPTH], x[0], xt[0], room);
    ptrdiff_t shift = 0, stride = frequencies_of(top) * channels_of(top), shift_t = 0;
    for (int k = 0; k < DEPTH; k++) {
        const int level = top - k, from = k % 2, to = 1 - from;
        const SpectralDecoder *layer = &network->decoder[k];
        const WaveformDecoder *layer_t = &network->tdecoder[k];
        decode_spectral(layer, x[from] ? x[from] + shift : NULL, stride, skips[level], frames, x[to], room);
        decode_waveform(layer_t, xt[from] ? xt[from] + shift_t : NULL, skips_t[level], lengths[level + 1], xt[to], room);
        shift = PADDING * layer->channels_out, shift_t = PADDING * layer_t->channels_out;
        stride = (ptrdiff_t)(STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
    }
    if (measuring(room)) return;
    write_spectra(x[DEPTH % 2], sources, frames, spread, spectra);
    write_waveforms(xt[DEPTH % 2], sources, sizes->samples, spread_t, waveforms);
}

uint64_t htdemucs_weights_bytes(const HTDemucsSizes *sizes) {
    Builder builder = {0};
    build(&builder, sizes);
    return builder.room.most;
}

int32_t htdemucs_pack(const HTDemucsSizes *sizes, int32_t count, const char *const *names,
                      const uint16_t *const *values, void *weights) {
    Builder builder = {.count = count, .names = names, .values = values, .room = {.memory = weights}};
    build(&builder, sizes);
    return builder.missing ? -1 : 0;
}

uint64_t htdemucs_room_bytes(const HTDemucsSizes *sizes, const void *weights) {
    Room room = {0};
    run(weights, sizes, &room, NULL, NULL, NULL, NULL);
    return room.most;
}

void htdemucs_run(const HTDemucsSizes *sizes, const void *weights, void *memory, const float *mixture,
                  const float *spectrum, float *waveforms, float *spectra) {
    Room room = {.memory = memory};
    run(weights, sizes, &room, mixture, spectrum, waveforms, spectra);
}
