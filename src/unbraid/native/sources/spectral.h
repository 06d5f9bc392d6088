// The layers over the spectrogram. Tensors are (frames, frequencies, channels), so that neighbouring frequencies of a
// frame, which a convolution sees together, lie together.

#pragma once

#include "residual.h"

#define STRIDE 4
#define PADDING 2

typedef struct {
    int channels_in, channels;
    int frequencies;  // that it gives; it takes four times as many
    Matrix conv, rewrite;
    Residual residual;
    const float* embedding;  // added to each frequency, (frequencies, channels); NULL: none
} SpectralEncoder;

SpectralEncoder make_spectral_encoder(Builder* builder, int level, int channels_in, int channels, int frequencies);

// x: (frames, 4 frequencies, channels_in) -> (frames, frequencies, channels)
void encode_spectral(const SpectralEncoder* layer, const float* x, int frames, float* out, Team* team);

typedef struct {
    int channels, channels_out;
    int frequencies;  // that it takes; it gives four times as many
    Matrix rewrite, conv;
    Residual residual;
    bool last;
} SpectralDecoder;

SpectralDecoder make_spectral_decoder(Builder* builder, int level, int channels, int channels_out, int frequencies,
                                      bool last);

// x: (frames, frequencies, channels), frames being `stride` floats apart, and `skip` of that shape without gaps
// -> (frames, 4 frequencies + 2 PADDING, channels_out), with PADDING positions on either side that mean nothing
void decode_spectral(const SpectralDecoder* layer, const float* x, ptrdiff_t stride, const float* skip, int frames,
                     float* out, Team* team);
