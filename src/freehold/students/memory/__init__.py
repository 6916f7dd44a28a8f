"""The two cheapest rungs: an answer that never varies, and a memory of inputs seen before."""
