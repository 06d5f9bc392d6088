// The interface for Python. The caller owns all memory: nothing here allocates or keeps any.

#pragma once

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

// Instruction sets. native_check and the functions for HTDemucs exist once for each set and end in its name:
// htdemucs_run_avx2. A set that the compiler lacks is left out.
enum {
    AVX2,         // 256 bits, with FMA and F16C
    AVX_VNNI,     // the same, and VNNI: two products of 16-bit integers and their sum are one instruction
    AVX512_VNNI,  // 512 bits: AVX-512 F, BW, DQ, VL and VNNI
};

// Whether this processor and operating system support an instruction set.
EXPORT int32_t native_supported(int32_t set);

// Whether products of small matrices are right: 1, or 0. It exists once for each set.
EXPORT int32_t native_check(void);

// HTDemucs, for segments of one length.
typedef struct {
    int32_t sources;  // 1 to MAX_SOURCES
    int32_t width;    // width of the transformer, a multiple of 128, at most MAX_WIDTH; 0: the U-Nets' own channels
    int32_t samples;  // samples of a segment, 1 to MAX_SAMPLES
    int32_t frames;   // frames of its spectrogram, 1 to MAX_FRAMES
} HTDemucsSizes;

#define MAX_SOURCES 64
#define MAX_WIDTH 512
#define MAX_SAMPLES (1 << 26)
#define MAX_FRAMES (1 << 16)

// Results of htdemucs_pack and htdemucs_run.
enum {
    DONE = 0,
    UNSUPPORTED_SIZES = -1,
    MISSING_TENSOR = -2,
    WRONG_LENGTH = -3,  // a tensor has another number of values
    SMALL_MEMORY = -4,  // the memory for weights or workspace is too small
};

// Stages of a call, for measuring time.
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
    STAGES,
};

// Bytes for the packed weights, and for the workspace of one htdemucs_run with `threads` threads; 0 for unsupported
// sizes. Both must be aligned to 64.
EXPORT uint64_t htdemucs_weights_bytes(const HTDemucsSizes* sizes);
EXPORT uint64_t htdemucs_workspace_bytes(const HTDemucsSizes* sizes, const void* weights, int32_t threads);

// Pack `count` float16 tensors with their published names and numbers of values into `weights`.
EXPORT int32_t htdemucs_pack(const HTDemucsSizes* sizes, int32_t count, const char* const* names,
                             const uint16_t* const* values, const int64_t* lengths, void* weights,
                             uint64_t weights_bytes);

// mixture (2, samples), spectrum (2, 2048, frames, 2) -> waveforms (sources, 2, samples), spectra (sources, 2, 2048,
// frames, 2). Shapes are those of the network's ONNX graph. The result does not depend on the number of threads.
// Concurrent calls need a workspace each. `active` counts the active threads; it starts at 0. Calls with the same
// counter use at most `threads` threads together, or one each if there are more calls. The time of each of the STAGES
// is added to `seconds`, which may be NULL.
EXPORT int32_t htdemucs_run(const HTDemucsSizes* sizes, const void* weights, void* workspace,
                            uint64_t workspace_bytes, int32_t threads, int32_t* active, const float* mixture,
                            const float* spectrum, float* waveforms, float* spectra, double* seconds);
