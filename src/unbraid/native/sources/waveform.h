// The layers of the waveform branch. Tensors are (positions, channels).

#pragma once

#include "spectral.h"

typedef struct {
    int channels_in, channels;
    Matrix conv, rewrite;
    Residual residual;
} WaveformEncoder;

WaveformEncoder make_waveform_encoder(Builder* builder, int level, int channels_in, int channels);

// (length, channels_in) -> (ceil(length / 4), channels)
void encode_waveform(const WaveformEncoder* layer, const float* x, int length, float* out, ThreadPool* pool);

typedef struct {
    int channels, channels_out;
    Matrix rewrite, conv;
    Residual residual;
    bool last;
} WaveformDecoder;

WaveformDecoder make_waveform_decoder(Builder* builder, int level, int channels, int channels_out, bool last);

// x, skip: (length, channels) -> (4 length + 4, channels_out); the first PADDING rows have no meaning
void decode_waveform(const WaveformDecoder* layer, const float* x, const float* skip, int length, float* out,
                     ThreadPool* pool);
