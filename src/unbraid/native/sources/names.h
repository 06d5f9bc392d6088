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
#define allocate_head NAME(allocate_head)
#define pack_head NAME(pack_head)
#define attention_memory NAME(attention_memory)
#define attend_head NAME(attend_head)
#define balance_channels NAME(balance_channels)
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

// linear.h
#define linear_workspace_bytes NAME(linear_workspace_bytes)
#define linear_run NAME(linear_run)

// roformer.h
#define roformer_weights_bytes NAME(roformer_weights_bytes)
#define roformer_workspace_bytes NAME(roformer_workspace_bytes)
#define roformer_pack NAME(roformer_pack)
#define roformer_run NAME(roformer_run)

// mdx.h
#define mdx_weights_bytes NAME(mdx_weights_bytes)
#define mdx_workspace_bytes NAME(mdx_workspace_bytes)
#define mdx_pack NAME(mdx_pack)
#define mdx_run NAME(mdx_run)

// Layers of MDX-Net
#define winograd_floats NAME(winograd_floats)
#define winograd_scratch NAME(winograd_scratch)
#define pack_winograd NAME(pack_winograd)
#define convolve NAME(convolve)
#define pack_down NAME(pack_down)
#define pack_up NAME(pack_up)
#define downsample NAME(downsample)
#define upsample NAME(upsample)
#define packed_bins NAME(packed_bins)
#define pack_bins NAME(pack_bins)
#define bin_layers_scratch NAME(bin_layers_scratch)
#define add_bin_layers NAME(add_bin_layers)
#define read_spectrum NAME(read_spectrum)
#define write_spectrum NAME(write_spectrum)
