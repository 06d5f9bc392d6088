"""NetworkCache computed by a library of our own, in C, on processors with AVX-512 VNNI; see `docs/decisions.md`."""
