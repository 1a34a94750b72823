"""The only home of numba: in each file the readable reference stands above the kernel that must equal it."""
