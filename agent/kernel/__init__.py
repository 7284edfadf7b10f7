"""What runs inside the kernel: maps, programs, generations. Through bpf(2) and libbpf; no compiler."""
