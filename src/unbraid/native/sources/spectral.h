// The layers of the spectrogram branch. Tensors are (frames, frequencies, channels): the neighbouring frequencies
// that a convolution reads are adjacent in memory.

#pragma once

#include "residual.h"

#define STRIDE 4
#define PADDING 2

typedef struct {
    int channels_in, channels;
    int frequencies;  // of the output; the input has four times as many
    Matrix conv, rewrite;
    Residual residual;
    const float* embedding;  // added to each frequency, (frequencies, channels); NULL: none
} SpectralEncoder;

SpectralEncoder make_spectral_encoder(Builder* builder, int level, int channels_in, int channels, int frequencies);

// x: (frames, 4 frequencies, channels_in) -> (frames, frequencies, channels)
void encode_spectral(const SpectralEncoder* layer, const float* x, int frames, float* out, ThreadPool* pool);

typedef struct {
    int channels, channels_out;
    int frequencies;  // of the input; the output has four times as many
    Matrix rewrite, conv;
    Residual residual;
    bool last;
} SpectralDecoder;

SpectralDecoder make_spectral_decoder(Builder* builder, int level, int channels, int channels_out, int frequencies,
                                      bool last);

// x: (frames, frequencies, channels), frames `stride` floats apart; skip: same shape, contiguous
// -> (frames, 4 frequencies + 2 PADDING, channels_out); the PADDING positions at either end have no meaning
void decode_spectral(const SpectralDecoder* layer, const float* x, ptrdiff_t stride, const float* skip, int frames,
                     float* out, ThreadPool* pool);
