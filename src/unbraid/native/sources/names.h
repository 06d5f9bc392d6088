// Names for the instruction set. All files that include this one are compiled once for each instruction set, and the
// library contains all of them. So functions that other files call end in the set's name: multiply_avx2.

#pragma once

#if defined USE_AVX512_VNNI
#define NAME(function) function##_avx512_vnni
#elif defined USE_AVX_VNNI
#define NAME(function) function##_avx_vnni
#elif defined USE_AVX2
#define NAME(function) function##_avx2
#else
#error "one of USE_AVX512_VNNI, USE_AVX_VNNI and USE_AVX2 must be set"
#endif

// native.h
#define native_check NAME(native_check)
#define htdemucs_weights_bytes NAME(htdemucs_weights_bytes)
#define htdemucs_workspace_bytes NAME(htdemucs_workspace_bytes)
#define htdemucs_pack NAME(htdemucs_pack)
#define htdemucs_run NAME(htdemucs_run)

// builder.h
#define format_name NAME(format_name)
#define find_tensor NAME(find_tensor)
#define floats_from NAME(floats_from)
#define matrix_from NAME(matrix_from)
#define pointwise NAME(pointwise)
#define convolution NAME(convolution)
#define transposed NAME(transposed)

// matmul.h
#define multiply NAME(multiply)
#define packed_bytes NAME(packed_bytes)
#define pack_matrix NAME(pack_matrix)
#define update_peak NAME(update_peak)
#define scale_for NAME(scale_for)
#define quantise NAME(quantise)
#define quantise_row NAME(quantise_row)
#define quantise_rows NAME(quantise_rows)

// Layers
#define attend NAME(attend)
#define make_transformer NAME(make_transformer)
#define transform NAME(transform)
#define make_residual NAME(make_residual)
#define residual_memory NAME(residual_memory)
#define add_residual NAME(add_residual)
#define make_spectral_encoder NAME(make_spectral_encoder)
#define encode_spectral NAME(encode_spectral)
#define make_spectral_decoder NAME(make_spectral_decoder)
#define decode_spectral NAME(decode_spectral)
#define make_waveform_encoder NAME(make_waveform_encoder)
#define encode_waveform NAME(encode_waveform)
#define make_waveform_decoder NAME(make_waveform_decoder)
#define decode_waveform NAME(decode_waveform)
