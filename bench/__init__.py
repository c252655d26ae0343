"""Benchmarks: servers under the same load, and single operations. See README.md."""
