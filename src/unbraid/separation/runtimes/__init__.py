"""Runtimes that compute a network: OpenVINO, PyTorch and the native library. `choose` selects one."""
