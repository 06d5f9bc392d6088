"""HTDemucs in C for processors with AVX-512 VNNI."""
