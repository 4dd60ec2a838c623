def measure(labels): return []
