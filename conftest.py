"""For developing elbocheck itself; what downstream users need lives in the plugin."""

from __future__ import annotations

import os

# one thread per worker: more only get in each other's way on a small machine; must be set before JAX loads
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "xla_cpu_multi_thread_eigen" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
