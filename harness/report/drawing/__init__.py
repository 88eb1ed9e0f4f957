"""Drawings of architectures and of the critical-difference diagram, as SVG."""
