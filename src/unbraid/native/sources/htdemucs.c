// HTDemucs: two U-Nets, over the spectrogram and over the waveform, with a transformer across their middle. Rouard,
// Massa, Défossez, "Hybrid Transformers for Music Source Separation" (arXiv 2211.08553).

#include <math.h>
#include <string.h>

#include "native.h"
#include "transformer.h"
#include "waveform.h"

#define DEPTH 4
#define CHANNELS 48  // of the first level; each has twice as many
#define BINS 2048
#define STEREO 2
#define COMPLEX 2             // real and imaginary
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

static Network* build(Builder* builder, const HTDemucsSizes* sizes) {
    Network made, *network = take(&builder->room, sizeof made);
    for (int k = 0; k < DEPTH; k++) {
        const int in = k ? channels_of(k - 1) : STEREO * COMPLEX, in_t = k ? channels_of(k - 1) : STEREO;
        made.encoder[k] = make_spectral_encoder(builder, k, in, channels_of(k), frequencies_of(k));
        made.tencoder[k] = make_waveform_encoder(builder, k, in_t, channels_of(k));
        // Decoders are numbered on their way.
        const int level = DEPTH - 1 - k;
        const int out = level ? channels_of(level - 1) : sizes->sources * STEREO * COMPLEX;
        const int out_t = level ? channels_of(level - 1) : sizes->sources * STEREO;
        made.decoder[k] =
            make_spectral_decoder(builder, k, channels_of(level), out, frequencies_of(level), level == 0);
        made.tdecoder[k] = make_waveform_decoder(builder, k, channels_of(level), out_t, level == 0);
    }
    float* embedding =
        (float*)floats_of(builder, "freq_emb.", "embedding.weight", frequencies_of(0) * channels_of(0));
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

// A copy from one order into another: of the input on its way in, of the output on its way out.
typedef struct {
    const float* from;
    float* to;
    int length, channels;  // of the other side's rows: frames or samples, and channels
    Spread spread;
} Copy;

// Neighbouring values are summed up in double precision by lanes.
static double sum_of(const float* x, ptrdiff_t count, double mean, bool squares) {
    double lanes[LANES] = {0}, sum = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double centred = x[i + k] - mean;
            lanes[k] += squares ? centred * centred : centred;
        }
    for (; i < count; i++) sum += squares ? (x[i] - mean) * (x[i] - mean) : x[i] - mean;
    for (int k = 0; k < LANES; k++) sum += lanes[k];
    return sum;
}

// As PyTorch's: the variance has one value less in its denominator.
static Spread spread_of(const float* x, ptrdiff_t count) {
    const double mean = sum_of(x, count, 0, false) / count;
    return (Spread){(float)mean, (float)sqrt(sum_of(x, count, mean, true) / (count - 1))};
}

// (2, BINS, frames, 2) -> (frames, BINS, 4), standardised; this is one frequency.
static void read_frequency(const void* context, int f, Room* scratch) {
    const Copy* copy = context;
    if (measuring(scratch)) return;
    const int parts = STEREO * COMPLEX;
    const float by = 1 / (1e-5f + copy->spread.deviation), mean = copy->spread.mean;
    for (int c = 0; c < STEREO; c++) {
        const float* from = copy->from + ((ptrdiff_t)c * BINS + f) * copy->length * COMPLEX;
        float* to = copy->to + f * parts + c * COMPLEX;
        for (ptrdiff_t t = 0; t < copy->length; t++)
            for (int part = 0; part < COMPLEX; part++)
                to[t * BINS * parts + part] = (from[t * COMPLEX + part] - mean) * by;
    }
}

static void read_mixture(const float* mixture, int samples, Spread spread, float* out) {
    const float by = 1 / (1e-5f + spread.deviation);
    for (int c = 0; c < STEREO; c++)
        for (ptrdiff_t i = 0; i < samples; i++)
            out[i * STEREO + c] = (mixture[(ptrdiff_t)c * samples + i] - spread.mean) * by;
}

// (frames, BINS + 2 PADDING, sources * 4) -> (sources, 2, BINS, frames, 2), at its old scale; this is one frequency.
static void write_frequency(const void* context, int f, Room* scratch) {
    const Copy* copy = context;
    if (measuring(scratch)) return;
    const ptrdiff_t row = (ptrdiff_t)(BINS + 2 * PADDING) * copy->channels;
    for (int pair = 0; pair < copy->channels / COMPLEX; pair++) {
        const float* from = copy->from + (ptrdiff_t)(f + PADDING) * copy->channels + pair * COMPLEX;
        float* to = copy->to + ((ptrdiff_t)pair * BINS + f) * copy->length * COMPLEX;
        for (ptrdiff_t t = 0; t < copy->length; t++)
            for (int part = 0; part < COMPLEX; part++)
                to[t * COMPLEX + part] = from[t * row + part] * copy->spread.deviation + copy->spread.mean;
    }
}

// (PADDING + samples, channels) -> (channels, samples); this is one channel.
static void write_channel(const void* context, int channel, Room* scratch) {
    const Copy* copy = context;
    if (measuring(scratch)) return;
    for (ptrdiff_t i = 0; i < copy->length; i++)
        copy->to[(ptrdiff_t)channel * copy->length + i] =
            copy->from[(i + PADDING) * copy->channels + channel] * copy->spread.deviation + copy->spread.mean;
}

typedef struct {
    const Matrix* matrix;
    const float* x;
    int count, from;
    float* out;
} Change;

static void change_piece(const void* context, int piece, Room* scratch) {
    const size_t mark = scratch->used;
    const Change* work = context;
    const int first_row = piece * TOKENS, count = least(TOKENS, work->count - first_row);
    int16_t* integers = take(scratch, (size_t)TOKENS * work->from * sizeof *integers);
    scratch->used = mark;
    if (measuring(scratch)) return;
    float gains[TOKENS];
    quantise_rows(work->x + (ptrdiff_t)first_row * work->from, work->from, count, work->from, LONG_BLOCK, integers,
                  gains);
    const int outputs = work->matrix->outputs;
    multiply(work->matrix, &(Rows){integers, work->from * sizeof *integers, 0, gains, 1, 0}, count,
             &(Result){.values = work->out + (ptrdiff_t)first_row * outputs, .stride = outputs, .finish = STORE});
}

// Each row of x through a matrix, to the transformer's width or back.
static void change_width(Change work, Team* team) { share(team, change_piece, &work, pieces_of(work.count, TOKENS)); }

// The middle: (frames, frequencies, channels) and (length, channels) -> the same.
static void meet(const Network* network, const HTDemucsSizes* sizes, const float* x, int count, const float* waveform,
                 int length, float* out, float* out_t, Team* team) {
    const size_t mark = team->room.used;
    const int bottom = channels_of(DEPTH - 1), frequencies = frequencies_of(DEPTH - 1), width = sizes->width;
    enter(team, PROJECTIONS);
    if (width) {
        float* wide = take_floats(&team->room, (size_t)count * width);
        float* wide_t = take_floats(&team->room, (size_t)length * width);
        change_width((Change){&network->up, x, count, bottom, wide}, team);
        change_width((Change){&network->up_t, waveform, length, bottom, wide_t}, team);
        transform(&network->transformer, wide, sizes->frames, frequencies, wide_t, length, team);
        enter(team, PROJECTIONS);
        change_width((Change){&network->down, wide, count, width, out}, team);
        change_width((Change){&network->down_t, wide_t, length, width, out_t}, team);
    } else {
        if (!measuring(&team->room)) {
            memcpy(out, x, (size_t)count * bottom * sizeof *out);
            memcpy(out_t, waveform, (size_t)length * bottom * sizeof *out_t);
        }
        transform(&network->transformer, out, sizes->frames, frequencies, out_t, length, team);
    }
    team->room.used = mark;
}

static float* beyond(float* x, ptrdiff_t values) { return x ? x + values : NULL; }

static void run(const Network* network, const HTDemucsSizes* sizes, Team* team, const float* mixture,
                const float* spectrum, float* waveforms, float* spectra) {
    const int frames = sizes->frames, sources = sizes->sources, samples = sizes->samples, top = DEPTH - 1;
    Room* room = &team->room;
    float *skips[DEPTH], *skips_t[DEPTH];
    int lengths[DEPTH + 1] = {samples};
    for (int k = 0; k < DEPTH; k++) {
        lengths[k + 1] = (lengths[k] + STRIDE - 1) / STRIDE;
        skips[k] = take_floats(room, (size_t)frames * frequencies_of(k) * channels_of(k));
        skips_t[k] = take_floats(room, (size_t)lengths[k + 1] * channels_of(k));
    }
    Spread spread = {0, 0}, spread_t = {0, 0};
    const size_t mark = room->used;
    float* read = take_floats(room, (size_t)frames * BINS * STEREO * COMPLEX);
    float* read_t = take_floats(room, (size_t)samples * STEREO);
    enter(team, READING);
    if (!measuring(room)) {
        spread = spread_of(spectrum, (ptrdiff_t)STEREO * BINS * frames * COMPLEX);
        spread_t = spread_of(mixture, (ptrdiff_t)STEREO * samples);
        read_mixture(mixture, samples, spread_t, read_t);
    }
    share(team, read_frequency, &(Copy){.from = spectrum, .to = read, .length = frames, .spread = spread}, BINS);
    for (int k = 0; k < DEPTH; k++) {
        enter(team, SPECTRAL_ENCODER);
        encode_spectral(&network->encoder[k], k ? skips[k - 1] : read, frames, skips[k], team);
        enter(team, WAVEFORM_ENCODER);
        encode_waveform(&network->tencoder[k], k ? skips_t[k - 1] : read_t, lengths[k], skips_t[k], team);
    }
    room->used = mark;

    // What goes into each decoder and what comes out of it take turns in two places.
    const int tokens = frames * frequencies_of(top);
    size_t most[2] = {(size_t)tokens * channels_of(top), 0},
           most_t[2] = {(size_t)lengths[DEPTH] * channels_of(top), 0};
    for (int k = 0; k < DEPTH; k++) {
        const SpectralDecoder* layer = &network->decoder[k];
        const size_t values = (size_t)frames * (STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
        const size_t values_t = (size_t)(STRIDE * lengths[DEPTH - k] + STRIDE) * network->tdecoder[k].channels_out;
        if (values > most[(k + 1) % 2]) most[(k + 1) % 2] = values;
        if (values_t > most_t[(k + 1) % 2]) most_t[(k + 1) % 2] = values_t;
    }
    float *x[2], *xt[2];
    for (int i = 0; i < 2; i++) x[i] = take_floats(room, most[i]), xt[i] = take_floats(room, most_t[i]);
    meet(network, sizes, skips[top], tokens, skips_t[top], lengths[DEPTH], x[0], xt[0], team);
    // Where in it the values begin, and how far apart frames are.
    ptrdiff_t shift = 0, stride = frequencies_of(top) * channels_of(top), shift_t = 0;
    for (int k = 0; k < DEPTH; k++) {
        const int level = top - k, from = k % 2, to = 1 - from;
        const SpectralDecoder* layer = &network->decoder[k];
        const WaveformDecoder* layer_t = &network->tdecoder[k];
        enter(team, SPECTRAL_DECODER);
        decode_spectral(layer, beyond(x[from], shift), stride, skips[level], frames, x[to], team);
        enter(team, WAVEFORM_DECODER);
        decode_waveform(layer_t, beyond(xt[from], shift_t), skips_t[level], lengths[level + 1], xt[to], team);
        shift = PADDING * layer->channels_out, shift_t = PADDING * layer_t->channels_out;
        stride = (ptrdiff_t)(STRIDE * layer->frequencies + 2 * PADDING) * layer->channels_out;
    }
    enter(team, WRITING);
    const int channels = sources * STEREO, last = DEPTH % 2;
    share(team, write_frequency,
          &(Copy){.from = x[last], .to = spectra, .length = frames, .channels = channels * COMPLEX, .spread = spread},
          BINS);
    share(team, write_channel,
          &(Copy){.from = xt[last], .to = waveforms, .length = samples, .channels = channels, .spread = spread_t},
          channels);
    enter(team, READING);
}

// What a call needs: for all, and for each thread.
static void measure(const HTDemucsSizes* sizes, const Network* network, size_t* room, size_t* scratch) {
    Team team = {.threads = 1};
    run(network, sizes, &team, NULL, NULL, NULL, NULL);
    *room = team.room.most, *scratch = team.scratch[0].most;
}

static int most_threads(int threads) { return threads < 1 ? 1 : least(threads, MOST_THREADS); }

uint64_t htdemucs_weights_bytes(const HTDemucsSizes* sizes) {
    Builder builder = {0};
    build(&builder, sizes);
    return builder.room.most;
}

int32_t htdemucs_pack(const HTDemucsSizes* sizes, int32_t count, const char* const* names,
                      const uint16_t* const* values, void* weights) {
    Builder builder = {.count = count, .names = names, .values = values, .room = {.memory = weights}};
    build(&builder, sizes);
    return builder.missing ? -1 : 0;
}

uint64_t htdemucs_room_bytes(const HTDemucsSizes* sizes, const void* weights, int32_t threads) {
    size_t room, scratch;
    measure(sizes, weights, &room, &scratch);
    return room + most_threads(threads) * scratch;
}

void htdemucs_run(const HTDemucsSizes* sizes, const void* weights, void* memory, int32_t threads, int32_t* busy,
                  const float* mixture, const float* spectrum, float* waveforms, float* spectra, double* seconds) {
    size_t room, scratch;
    measure(sizes, weights, &room, &scratch);
    Team team = {.room = {.memory = memory}, .busy = (atomic_int*)busy, .seconds = seconds};
    for (int i = 0; i < most_threads(threads); i++) team.scratch[i].memory = (char*)memory + room + i * scratch;
    begin(&team, most_threads(threads));
    run(weights, sizes, &team, mixture, spectrum, waveforms, spectra);
    end(&team);
}
