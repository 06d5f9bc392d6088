"""HTDemucs in C for processors with AVX2."""
