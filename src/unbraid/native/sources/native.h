// What Python calls. Every pointer is to memory that the caller owns; nothing here allocates or keeps any.

#pragma once

#include <stdint.h>

#define NATIVE __attribute__((visibility("default")))

// Of this interface; library.py has the same number.
#define NATIVE_VERSION 1

NATIVE int native_version(void);

// Whether this processor has what the rest of the library is compiled for: AVX-512 with VNNI.
NATIVE int native_supported(void);

// HTDemucs, for segments of one length.
typedef struct {
    int32_t sources;
    int32_t width;    // of the transformer; 0: as many channels as reach it
    int32_t samples;  // of a segment
    int32_t frames;   // of its spectrum
} HTDemucsSizes;

// Where the time of a call goes.
enum {
    READING,
    SPECTRAL_ENCODER,
    WAVEFORM_ENCODER,
    PROJECTIONS,
    ATTENTION,
    FEED_FORWARD,
    SPECTRAL_DECODER,
    WAVEFORM_DECODER,
    WRITING,
    PARTS,
};

// Bytes for the weights, and for one call of htdemucs_run by so many threads; both at multiples of 64.
NATIVE uint64_t htdemucs_weights_bytes(const HTDemucsSizes* sizes);
NATIVE uint64_t htdemucs_room_bytes(const HTDemucsSizes* sizes, const void* weights, int32_t threads);

// Write the weights, given as float16 by the names of the published tensors. Returns 0, or -1 where one is missing.
NATIVE int32_t htdemucs_pack(const HTDemucsSizes* sizes, int32_t count, const char* const* names,
                             const uint16_t* const* values, void* weights);

// mixture (2, samples) and its spectrum (2, 2048, frames, 2) -> waveforms (sources, 2, samples) and spectra (sources,
// 2, 2048, frames, 2), as the network's graph has them; the same whatever the number of threads. Calls with rooms of
// their own may run at the same time; together they keep to `threads` where they have one `busy`, which is 0 while
// there are none, unless there are more calls than that. `seconds`, of PARTS, may be NULL; the time of each part is
// added to it.
NATIVE void htdemucs_run(const HTDemucsSizes* sizes, const void* weights, void* room, int32_t threads, int32_t* busy,
                         const float* mixture, const float* spectrum, float* waveforms, float* spectra,
                         double* seconds);
